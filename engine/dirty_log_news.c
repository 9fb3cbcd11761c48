/* SPDX-License-Identifier: MIT */
/* Who logs what, as listeners were told, and as they are to be told. */
#include "engine/dirty_log_internal.h"
#include "engine/where.h"

static bool take_news(struct dirty_area *area)
{
    area->news.new_mask = dirty_log__mask(area);
    return area->news.new_mask != area->news.old_mask;
}

static void settle_news(struct dirty_area *area)
{
    area->news.old_mask = area->news.new_mask;
}

struct xbar_dirty_news xbar_dirty_news_of(const MemoryRegion *mr)
{
    const struct dirty_area *area = dirty_log__find_area(mr);

    xbar_assert(engine__writer_is_mine(mr->engine));
    return area != NULL ? area->news : (struct xbar_dirty_news){ 0, 0 };
}

struct xbar_dirty_news xbar_dirty_news_of_all(const struct xbar_engine *engine)
{
    xbar_assert(engine__writer_is_mine(engine));
    return engine->dirty_logs.news_of_all;
}

bool xbar_dirty_news_begin(struct xbar_engine *engine)
{
    struct dirty_logs *logs = &engine->dirty_logs;
    bool any;

    xbar_assert(engine__writer_is_mine(engine));
    logs->news_of_all.new_mask = logs->logs_all;
    any = logs->news_of_all.new_mask != logs->news_of_all.old_mask;
    for (struct dirty_area *area = logs->areas; area; area = area->next) {
        any |= take_news(area);
    }
    return any;
}

int xbar_dirty_news_where(struct xbar_engine *engine)
{
    struct dirty_area *area = engine->dirty_logs.areas;
    int rc = 0;

    for (; area && !rc; area = area->next) {
        if (area->news.new_mask != area->news.old_mask) {
            rc = xbar_where_add((MemoryRegion *)area->mr, 0, UINT64_MAX);
        }
    }
    return rc;
}

void xbar_dirty_news_end(struct xbar_engine *engine)
{
    struct dirty_logs *logs = &engine->dirty_logs;

    logs->news_of_all.old_mask = logs->news_of_all.new_mask;
    for (struct dirty_area *area = logs->areas; area; area = area->next) {
        settle_news(area);
    }
}

void dirty_log__born_news(const MemoryRegion *mr)
{
    struct dirty_area *area = dirty_log__find_area(mr);

    take_news(area);
    settle_news(area);
}

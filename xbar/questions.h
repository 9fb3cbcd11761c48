/* SPDX-License-Identifier: MIT */
/*
 * What the monitor has asked, in that order, until it is answered: somebody who
 * types ahead, or a script in a pipe, has all of it.
 */
#ifndef XBAR_QUESTIONS_H
#define XBAR_QUESTIONS_H

#include <stdbool.h>
#include <string.h>

/* What the monitor wants to be told; the answer goes to stderr. */
enum console_question {
    CONSOLE_NO_QUESTION,
    CONSOLE_INFO,
    CONSOLE_MTREE,
    CONSOLE_SNAPSHOT, /* keep the machine as it is */
    CONSOLE_RESTORE,  /* go back to that */
    CONSOLE_QUIT,     /* no more of them: end the run */
};

#define QUESTIONS_MAX 16

struct questions {
    enum console_question waiting[QUESTIONS_MAX];
    unsigned count;
    bool is_told; /* the first: it is being answered */
};

/* One more. One for which there is no room takes the place of the last. */
static inline void questions_add(struct questions *questions,
                                 enum console_question question)
{
    questions->count += questions->count < QUESTIONS_MAX;
    questions->waiting[questions->count - 1] = question;
}

/* Whoever comes for the next one has answered the one before. */
static inline void questions_answered(struct questions *questions)
{
    if (questions->is_told) {
        questions->is_told = false;
        memmove(&questions->waiting[0], &questions->waiting[1],
                --questions->count * sizeof(questions->waiting[0]));
    }
}

static inline enum console_question questions_next(struct questions *questions)
{
    questions->is_told = questions->count > 0;
    return questions->is_told ? questions->waiting[0] : CONSOLE_NO_QUESTION;
}

/* Is there one that ends the run? */
static inline bool questions_quit(const struct questions *questions)
{
    return questions->count > 0 &&
           questions->waiting[questions->count - 1] == CONSOLE_QUIT;
}

#endif

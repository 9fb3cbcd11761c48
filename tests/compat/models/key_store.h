/* SPDX-License-Identifier: MIT */
/* Keys that only the secure world sees, by words. */
#ifndef KEY_STORE_H
#define KEY_STORE_H

#include "exec/memory.h"
#include "qom/object.h"

#define KEY_STORE_WORDS 8
#define KEY_STORE_KEYS  0x00 /* secure: read and write */
#define KEY_STORE_HASH  0x20 /* anybody: read */
#define KEY_STORE_LOCK  0x24 /* secure: any write locks the keys */
#define KEY_STORE_WHO   0x28 /* the requester of this access */
#define KEY_STORE_SIZE  0x40

typedef struct KeyStoreState {
    Object parent_obj;

    MemoryRegion iomem;
    uint32_t keys[KEY_STORE_WORDS];
    bool locked;
} KeyStoreState;

void key_store_init(KeyStoreState *s);

#endif

#include "policy/suspension.h"
#include "base/hash.h"

uint64_t mg_suspension_id(mg_str org, const mg_source *file) {
    uint64_t bytes;
    memcpy(&bytes, file->sha256, sizeof bytes);
    uint64_t id = mg_hash64(org) * 31 + mg_hash64(file->path) * 7 + bytes;
    return id ? id : 1;
}

static const mg_suspension *find(const mg_suspensions *s, uint64_t id) {
    for (size_t i = 0; i < s->n; i++)
        if (s->slots[i].id == id) return &s->slots[i];
    return NULL;
}

uint64_t mg_suspensions_left(const mg_suspensions *s, uint64_t id, uint64_t now_ms) {
    const mg_suspension *slot = find(s, id);
    return slot && slot->until_ms > now_ms ? slot->until_ms - now_ms : 0;
}

static mg_suspension *take(mg_suspensions *s, uint64_t id) {
    mg_suspension *slot = (mg_suspension *)find(s, id);
    if (slot) return slot;
    if (s->n < MG_SUSPENSIONS)
        slot = &s->slots[s->n++];
    else {
        slot = &s->slots[0];
        for (size_t i = 1; i < s->n; i++)
            if (s->slots[i].kills_ms[0] < slot->kills_ms[0]) slot = &s->slots[i];
    }
    *slot = (mg_suspension){.id = id};
    return slot;
}

bool mg_suspensions_count(mg_suspensions *s, uint64_t id, uint64_t now_ms, uint64_t for_ms) {
    mg_suspension *slot = take(s, id);
    memmove(slot->kills_ms + 1, slot->kills_ms, sizeof slot->kills_ms - sizeof slot->kills_ms[0]);
    slot->kills_ms[0] = now_ms;
    uint64_t first = slot->kills_ms[MG_SUSPENSION_KILLS - 1];
    if (!first || now_ms - first > MG_SUSPENSION_WINDOW_MS) return false;
    *slot = (mg_suspension){.id = id, .kills_ms = {now_ms}, .until_ms = now_ms + for_ms};
    /* the kill that began the suspension stays only to tell how old the slot is */
    return true;
}

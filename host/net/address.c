#include "net/address.h"

typedef struct range4 {
    uint32_t base;
    int bits;
} range4;

/* IANA's IPv4 special-purpose registry, what is not globally reachable; and multicast. */
static const range4 special4[] = {
    {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
    {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0586300, 24}, {0xC0A80000, 16},
    {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 4},  {0xF0000000, 4},
};

static bool public4(uint32_t address) {
    for (size_t i = 0; i < sizeof special4 / sizeof special4[0]; i++)
        if ((address ^ special4[i].base) >> (32 - special4[i].bits) == 0) return false;
    return true;
}

static uint32_t read32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Only 2000::/3 is given out for global use; within it some ranges are not, and others hold IPv4 addresses. */
static bool public6(const uint8_t *p) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static const uint8_t nat64[12] = {0, 0x64, 0xFF, 0x9B};
    if (memcmp(p, mapped, 12) == 0 || memcmp(p, nat64, 12) == 0) return public4(read32(p + 12));
    if ((p[0] & 0xE0) != 0x20) return false;
    uint32_t first = read32(p);
    if (first >> 16 == 0x2002) return public4(read32(p + 2)); /* 6to4 */
    return first >> 9 != 0x20010000u >> 9 && first != 0x20010DB8 && first >> 12 != 0x3FFF0000u >> 12;
}

bool mg_address_public(const mg_address *a) {
    if (a->any.sa_family == AF_INET) return public4(ntohl(a->v4.sin_addr.s_addr));
    return a->any.sa_family == AF_INET6 && public6(a->v6.sin6_addr.s6_addr);
}

bool mg_addresses_keep_public(mg_addresses *a) {
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        if (mg_address_public(&a->at[i])) a->at[n++] = a->at[i];
    a->n = n;
    return n > 0;
}

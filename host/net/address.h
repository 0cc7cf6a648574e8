/* Which addresses are on the public internet. */
#ifndef MG_NET_ADDRESS_H
#define MG_NET_ADDRESS_H

#include "net/resolver.h"

/* False for loopback, private, link-local, shared, multicast, documentation and other special ranges (the registries of
 * RFC 6890), also where IPv6 holds an IPv4 address (mapped, NAT64, 6to4). */
bool mg_address_public(const mg_address *a);
/* Drops all that are not public; false if none is left. */
bool mg_addresses_keep_public(mg_addresses *a);

#endif

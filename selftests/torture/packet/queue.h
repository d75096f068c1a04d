/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_QUEUE_H
#define PACKET_QUEUE_H

#include "torture/packet/world.h"

void queue_open(void);
void queue_serve(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TSI_LIB_TRANSLATION_H
#define TSI_LIB_TRANSLATION_H

#include "maps/translation.h"

/* This CPU's translation under way: see this_flow(). */
static __always_inline struct translation *this_translation(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tsi_translation, &zero);
}

#endif

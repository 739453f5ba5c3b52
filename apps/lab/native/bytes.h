// SPDX-License-Identifier: Apache-2.0
//
// A growing byte buffer with a read position, JSON strings into it, and CRC-32.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	char *data;
	size_t start; // first byte not taken yet
	size_t end;
	size_t capacity;
};

static inline size_t bytes_left(const struct bytes *bytes)
{
	return bytes->end - bytes->start;
}

// Room for `more` bytes after the end; what was taken already makes way first.
static inline char *bytes_reserve(struct bytes *bytes, size_t more)
{
	if (bytes->start > 0) {
		memmove(bytes->data, bytes->data + bytes->start, bytes_left(bytes));
		bytes->end -= bytes->start;
		bytes->start = 0;
	}
	if (bytes->end + more > bytes->capacity) {
		bytes->capacity = (bytes->end + more) * 2;
		bytes->data = realloc(bytes->data, bytes->capacity);
		if (!bytes->data)
			abort();
	}
	return bytes->data + bytes->end;
}

static inline void bytes_append(struct bytes *bytes, const void *more, size_t length)
{
	memcpy(bytes_reserve(bytes, length), more, length);
	bytes->end += length;
}

__attribute__((format(printf, 2, 3))) static inline void bytes_print(
	struct bytes *bytes, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);

	va_end(args);
	bytes_append(bytes, text, length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

// A JSON string. Bytes above 0x7e are written as the code points of Latin-1, so that any input
// gives valid JSON.
static inline void bytes_json(struct bytes *bytes, const char *text, size_t length)
{
	bytes_append(bytes, "\"", 1);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			bytes_print(bytes, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			bytes_print(bytes, "\\u%04x", c);
		else
			bytes_append(bytes, text + i, 1);
	}
	bytes_append(bytes, "\"", 1);
}

// CRC-32 as zlib and Ethernet have it (polynomial 0xedb88320, reflected). Start with 0.
static inline uint32_t crc32_add(uint32_t crc, const char *data, size_t length)
{
	static uint32_t table[256];

	if (table[1] == 0)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t entry = i;

			for (int bit = 0; bit < 8; bit++)
				entry = entry & 1 ? entry >> 1 ^ 0xedb88320 : entry >> 1;
			table[i] = entry;
		}
	crc = ~crc;
	for (size_t i = 0; i < length; i++)
		crc = table[(crc ^ (unsigned char)data[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

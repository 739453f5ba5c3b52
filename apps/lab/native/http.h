// SPDX-License-Identifier: Apache-2.0
//
// The part of HTTP/1.1 (RFC 9112) that an echo server needs: a request's head, and its body by
// Content-Length or in chunks, as the bytes come. Anything else is "not HTTP" or "malformed".
#pragma once
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bytes.h"

enum { MAX_HEAD = 32768, MAX_HEADERS = 100, MAX_METHOD = 16 };

enum looks { LOOKS_UNCLEAR, LOOKS_HTTP, LOOKS_OTHER };

struct span {
	const char *at;
	size_t length;
};

struct header {
	struct span name, value;
};

// Points into the bytes it was parsed from.
struct request {
	struct span method, target;
	struct header headers[MAX_HEADERS];
	int header_count;
	uint64_t content_length;
	bool chunked;
	bool keep_alive;
	bool expects_continue;
};

static inline bool span_is(struct span span, const char *word)
{
	return span.length == strlen(word) && strncasecmp(span.at, word, span.length) == 0;
}

// Whether the first bytes of a connection begin an HTTP request: METHOD SP TARGET SP HTTP/...
static inline enum looks looks_like_http(const char *at, size_t length)
{
	size_t i = 0;

	while (i < length && i <= MAX_METHOD && isupper((unsigned char)at[i]))
		i++;
	if (i == length && i <= MAX_METHOD)
		return LOOKS_UNCLEAR;
	if (i == 0 || i > MAX_METHOD || at[i] != ' ')
		return LOOKS_OTHER;
	const char *end = memchr(at, '\n', length);

	if (!end)
		return length < MAX_HEAD ? LOOKS_UNCLEAR : LOOKS_OTHER;
	return memmem(at, (size_t)(end - at), " HTTP/1.", 8) ? LOOKS_HTTP : LOOKS_OTHER;
}

static inline struct span trim(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
		to--;
	return (struct span){from, (size_t)(to - from)};
}

static inline bool parse_length(struct span text, uint64_t *length)
{
	*length = 0;
	if (text.length == 0 || text.length > 15)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		if (!isdigit((unsigned char)text.at[i]))
			return false;
		*length = *length * 10 + (uint64_t)(text.at[i] - '0');
	}
	return true;
}

static inline bool note_header(struct request *request, struct header header)
{
	if (request->header_count == MAX_HEADERS)
		return false;
	request->headers[request->header_count++] = header;
	if (span_is(header.name, "content-length"))
		return parse_length(header.value, &request->content_length);
	if (span_is(header.name, "transfer-encoding"))
		request->chunked = span_is(header.value, "chunked");
	if (span_is(header.name, "connection") && span_is(header.value, "close"))
		request->keep_alive = false;
	if (span_is(header.name, "connection") && span_is(header.value, "keep-alive"))
		request->keep_alive = true;
	if (span_is(header.name, "expect"))
		request->expects_continue = span_is(header.value, "100-continue");
	return true;
}

// Parses a head that ends with an empty line: true, or false when it is malformed.
static inline bool parse_head(const char *at, size_t length, struct request *request)
{
	const char *end = at + length;
	const char *line_end = memchr(at, '\n', length);
	const char *space = line_end ? memchr(at, ' ', (size_t)(line_end - at)) : NULL;

	*request = (struct request){0};
	if (!space)
		return false;
	request->method = (struct span){at, (size_t)(space - at)};
	const char *version = memmem(space, (size_t)(line_end - space), " HTTP/1.", 8);

	if (!version || version <= space)
		return false;
	request->target = trim(space + 1, version);
	request->keep_alive = version[8] == '1';
	for (at = line_end + 1; at < end; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			return false;
		if (trim(at, line_end).length == 0)
			return true;
		const char *colon = memchr(at, ':', (size_t)(line_end - at));

		if (!colon || !note_header(request, (struct header){{at, (size_t)(colon - at)},
							    trim(colon + 1, line_end)}))
			return false;
	}
	return false;
}

// A body on its way. `left`: bytes until the end of the body, or of the chunk.
struct body {
	uint64_t left;
	uint64_t length; // so far
	uint32_t checksum;
	bool chunked;
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, BODY_DONE } state;
};

static inline struct body body_of(const struct request *request)
{
	struct body body = {.left = request->content_length, .chunked = request->chunked};

	if (body.chunked) {
		body.left = 0;
		body.state = CHUNK_SIZE;
	} else {
		body.state = body.left > 0 ? CHUNK_DATA : BODY_DONE;
	}
	return body;
}

static inline void body_data(struct body *body, struct bytes *input)
{
	size_t length = bytes_left(input) < body->left ? bytes_left(input) : (size_t)body->left;

	body->checksum = crc32_add(body->checksum, input->data + input->start, length);
	body->length += length;
	body->left -= length;
	input->start += length;
	if (body->left == 0)
		body->state = body->chunked ? CHUNK_END : BODY_DONE;
}

// Takes one line of the chunked coding: a size, the end of a chunk, or a trailer.
static inline bool body_line(struct body *body, const char *line, size_t length)
{
	bool empty = trim(line, line + length).length == 0;
	char *end;

	if (body->state == CHUNK_END) {
		body->state = CHUNK_SIZE;
		return empty;
	}
	if (body->state == CHUNK_TRAILER) {
		if (empty)
			body->state = BODY_DONE;
		return true;
	}
	if (!isxdigit((unsigned char)line[0]))
		return false;
	body->left = strtoull(line, &end, 16);
	body->state = body->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return body->left < 1ull << 40;
}

// Takes what there is of the body; false when it is malformed. Done when the state is BODY_DONE.
static inline bool body_take(struct body *body, struct bytes *input)
{
	while (body->state != BODY_DONE && bytes_left(input) > 0) {
		if (body->state == CHUNK_DATA) {
			body_data(body, input);
			continue;
		}
		const char *line = input->data + input->start;
		const char *end = memchr(line, '\n', bytes_left(input));

		if (!end)
			return bytes_left(input) < MAX_HEAD;
		input->start += (size_t)(end - line) + 1;
		if (!body_line(body, line, (size_t)(end - line)))
			return false;
	}
	return true;
}

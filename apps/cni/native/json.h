// SPDX-License-Identifier: Apache-2.0
//
// Just enough JSON (RFC 8259) to find a string member of the outermost object. Nested values are
// stepped over, escapes in names and values that matter here (paths, versions) are not expected:
// such a value does not match. Never reads beyond `length`.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

// One string token: `start` at its first character, returns the offset of its closing quote or
// `length`.
static size_t json_string_end(const char *text, size_t length, size_t start)
{
	size_t at = start;

	while (at < length && text[at] != '"')
		at += text[at] == '\\' ? 2 : 1;
	return at < length ? at : length;
}

static size_t json_skip_space(const char *text, size_t length, size_t at)
{
	while (at < length &&
		(text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
		at++;
	return at;
}

enum { JSON_MAX_DEPTH = 64 };

// Steps over a number or a literal; false when it is neither.
static bool json_skip_scalar(const char *text, size_t length, size_t *at)
{
	static const char *const literals[] = {"true", "false", "null"};
	size_t start = *at;

	for (size_t i = 0; i < sizeof(literals) / sizeof(*literals); i++) {
		size_t size = strlen(literals[i]);

		if (length - start >= size && memcmp(text + start, literals[i], size) == 0) {
			*at += size;
			return true;
		}
	}
	while (*at < length && strchr("+-.eE0123456789", text[*at]) && text[*at])
		(*at)++;
	return *at > start;
}

// True when the whole text is one object whose brackets, strings, commas and colons are in place.
// Numbers and escapes are looked at by the agent.
static bool json_is_object(const char *text, size_t length)
{
	char open[JSON_MAX_DEPTH];
	int depth = 0;
	// What may come next: a value, a member's name, or what follows a value.
	enum { VALUE, NAME, AFTER } expected = VALUE;
	bool may_close = false;
	size_t at = json_skip_space(text, length, 0);

	if (at >= length || text[at] != '{')
		return false;
	for (; at < length; at = json_skip_space(text, length, at)) {
		char c = text[at];

		if (expected == AFTER && depth == 0)
			return false;
		if ((expected == AFTER || may_close) && (c == '}' || c == ']')) {
			if (depth == 0 || open[--depth] != c)
				return false;
			expected = AFTER, may_close = false, at++;
		} else if (expected == AFTER) {
			if (c != ',')
				return false;
			expected = open[depth - 1] == '}' ? NAME : VALUE, at++;
		} else if (expected == NAME) {
			if (c != '"')
				return false;
			at = json_skip_space(
				text, length, json_string_end(text, length, at + 1) + 1);
			if (at >= length || text[at] != ':')
				return false;
			expected = VALUE, may_close = false, at++;
		} else if (c == '{' || c == '[') {
			if (depth == JSON_MAX_DEPTH)
				return false;
			open[depth++] = c == '{' ? '}' : ']';
			expected = c == '{' ? NAME : VALUE, may_close = true, at++;
		} else if (c == '"') {
			at = json_string_end(text, length, at + 1) + 1;
			expected = AFTER, may_close = false;
		} else {
			if (!json_skip_scalar(text, length, &at))
				return false;
			expected = AFTER, may_close = false;
		}
	}
	return depth == 0 && expected == AFTER;
}

// Copies the value of outermost member `name` into `value` when it is a plain string that fits.
static bool json_top_level_string(
	const char *text, size_t length, const char *name, char *value, size_t capacity)
{
	size_t name_length = strlen(name);
	int depth = 0;

	for (size_t at = 0; at < length; at++) {
		if (text[at] == '{' || text[at] == '[')
			depth++;
		if (text[at] == '}' || text[at] == ']')
			depth--;
		if (text[at] != '"')
			continue;
		size_t start = at + 1, end = json_string_end(text, length, start);

		at = end;
		if (depth != 1 || end - start != name_length ||
			memcmp(text + start, name, name_length))
			continue;
		size_t colon = json_skip_space(text, length, end + 1);

		if (colon >= length || text[colon] != ':')
			continue; // a value that happens to equal the name
		size_t quote = json_skip_space(text, length, colon + 1);

		if (quote >= length || text[quote] != '"')
			return false;
		size_t value_end = json_string_end(text, length, quote + 1);
		size_t value_length = value_end - quote - 1;

		if (value_end >= length || value_length >= capacity ||
			memchr(text + quote + 1, '\\', value_length) ||
			memchr(text + quote + 1, '\0', value_length))
			return false;
		memcpy(value, text + quote + 1, value_length);
		value[value_length] = '\0';
		return true;
	}
	return false;
}

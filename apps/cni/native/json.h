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

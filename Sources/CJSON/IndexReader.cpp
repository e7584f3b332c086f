#include "CJSONIndex.h"

#include <simdjson.h>

#include <cstring>
#include <new>
#include <vector>

namespace ondemand = simdjson::ondemand;

const size_t drover_index_padding = simdjson::SIMDJSON_PADDING;

struct drover_index_reader {
  ondemand::parser parser;
  std::vector<drover_index_entry> entries;
  std::vector<drover_index_pack> packs;
  size_t entry_count_max = 0;
  bool any_compressed = false;
};

namespace {

// How many bytes of text an entry has at least: two quoted identifiers' worth and five keys.
constexpr size_t entry_text_bytes = 128;

// What went wrong, as a code of the header; the first failure ends the reading.
using Code = int;

Code code_of(simdjson::error_code error) {
  switch (error) {
    case simdjson::SUCCESS: return DROVER_INDEX_OK;
    case simdjson::INCORRECT_TYPE: return DROVER_INDEX_TYPE;
    case simdjson::NUMBER_ERROR: return DROVER_INDEX_NUMBER;
    case simdjson::NUMBER_OUT_OF_RANGE: return DROVER_INDEX_NUMBER;
    case simdjson::MEMALLOC: return DROVER_INDEX_MEMORY;
    default: return DROVER_INDEX_SYNTAX;
  }
}

constexpr uint64_t each(uint8_t byte) { return 0x0101010101010101u * byte; }

// Eight lower-case hexadecimal digits, eight at a time in one word; false for anything else.
inline bool decode_digits(const char *digits, uint32_t &value) {
  uint64_t text;
  std::memcpy(&text, digits, sizeof text);
  uint64_t letters = (text >> 6) & each(1);
  uint64_t nibbles = (text & each(0x0f)) + letters * 9;
  uint64_t above_nine = ((nibbles + each(6)) >> 4) & each(1);
  uint64_t expected = nibbles + each('0') + above_nine * ('a' - '0' - 10);
  if (expected != text || (nibbles & each(0xf0)) != 0) return false;
  nibbles = __builtin_bswap64(nibbles);
  nibbles = (nibbles | nibbles >> 4) & 0x00ff00ff00ff00ffu;
  nibbles = (nibbles | nibbles >> 8) & 0x0000ffff0000ffffu;
  value = static_cast<uint32_t>(nibbles | nibbles >> 16);
  return true;
}

// An identifier between quotes. The padding lets all 65 bytes be read wherever the text ends.
inline Code read_id(ondemand::value value, uint64_t (&id)[4]) {
  ondemand::raw_json_string string;
  auto error = value.get_raw_json_string().get(string);
  if (error) return code_of(error);
  const char *digits = string.raw();
  for (int word = 0; word < 4; word++) {
    uint32_t high, low;
    if (!decode_digits(digits + 16 * word, high)) return DROVER_INDEX_ID;
    if (!decode_digits(digits + 16 * word + 8, low)) return DROVER_INDEX_ID;
    id[word] = static_cast<uint64_t>(high) << 32 | low;
  }
  return digits[64] == '"' ? DROVER_INDEX_OK : DROVER_INDEX_ID;
}

inline Code read_number(ondemand::value value, uint32_t &number) {
  uint64_t wide;
  auto error = value.get_uint64().get(wide);
  if (error) return code_of(error);
  if (wide > UINT32_MAX) return DROVER_INDEX_NUMBER;
  number = static_cast<uint32_t>(wide);
  return DROVER_INDEX_OK;
}

// Whether the raw text of a string, which starts behind its quote, is `expected` and its end quote.
template <size_t n>
inline bool is(const char *raw, const char (&expected)[n]) {
  return std::memcmp(raw, expected, n - 1) == 0 && raw[n - 1] == '"';
}

inline Code read_type(ondemand::value value, uint32_t &flags) {
  ondemand::raw_json_string string;
  auto error = value.get_raw_json_string().get(string);
  if (error) return code_of(error);
  if (is(string.raw(), "tree")) {
    flags |= DROVER_INDEX_TREE;
    return DROVER_INDEX_OK;
  }
  return is(string.raw(), "data") ? DROVER_INDEX_OK : DROVER_INDEX_BLOB_TYPE;
}

enum Seen : unsigned { seen_id = 1, seen_type = 2, seen_offset = 4, seen_length = 8, seen_plain = 16 };

inline Code note(unsigned &seen, unsigned field) {
  if (seen & field) return DROVER_INDEX_REPEATED;
  seen |= field;
  return DROVER_INDEX_OK;
}

// One field of a blob; unknown ones are skipped by the next step of the iteration.
inline Code read_blob_field(ondemand::field &field, drover_index_entry &entry, unsigned &seen) {
  const char *key = field.key().raw();
  Code code = DROVER_INDEX_OK;
  if (is(key, "id")) {
    code = note(seen, seen_id);
    return code ? code : read_id(field.value(), entry.id);
  }
  if (is(key, "type")) {
    code = note(seen, seen_type);
    return code ? code : read_type(field.value(), entry.pack);
  }
  if (is(key, "offset")) {
    code = note(seen, seen_offset);
    return code ? code : read_number(field.value(), entry.offset);
  }
  if (is(key, "length")) {
    code = note(seen, seen_length);
    return code ? code : read_number(field.value(), entry.sealed_length);
  }
  if (is(key, "uncompressed_length")) {
    code = note(seen, seen_plain);
    return code ? code : read_number(field.value(), entry.plaintext_length);
  }
  return code;
}

Code read_blob(drover_index_reader &reader, ondemand::value value, uint32_t pack) {
  ondemand::object object;
  auto error = value.get_object().get(object);
  if (error) return code_of(error);
  drover_index_entry entry{};
  entry.pack = pack;
  unsigned seen = 0;
  for (auto result : object) {
    ondemand::field field;
    error = std::move(result).get(field);
    if (error) return code_of(error);
    Code code = read_blob_field(field, entry, seen);
    if (code) return code;
  }
  constexpr unsigned required = seen_id | seen_type | seen_offset | seen_length;
  if ((seen & required) != required) return DROVER_INDEX_MISSING;
  if (reader.entries.size() >= reader.entry_count_max) return DROVER_INDEX_TOO_MANY;
  if (entry.plaintext_length != 0) reader.any_compressed = true;
  reader.entries.push_back(entry);
  return DROVER_INDEX_OK;
}

// An array, or null, which Go writes for an empty one; `each` reads one element.
template <typename Each>
Code read_list(ondemand::value value, Each each_element) {
  bool null;
  auto error = value.is_null().get(null);
  if (error) return code_of(error);
  if (null) return DROVER_INDEX_OK;
  ondemand::array array;
  error = value.get_array().get(array);
  if (error) return code_of(error);
  for (auto result : array) {
    ondemand::value element;
    error = std::move(result).get(element);
    if (error) return code_of(error);
    Code code = each_element(element);
    if (code) return code;
  }
  return DROVER_INDEX_OK;
}

Code read_pack(drover_index_reader &reader, ondemand::value value, uint32_t flags) {
  ondemand::object object;
  auto error = value.get_object().get(object);
  if (error) return code_of(error);
  size_t row = reader.packs.size();
  if (row >= reader.entry_count_max || row >> DROVER_INDEX_ROW_BITS) return DROVER_INDEX_TOO_MANY;
  drover_index_pack pack{};
  pack.first_entry = static_cast<uint32_t>(reader.entries.size());
  pack.is_marked = flags != 0;
  bool has_id = false, has_blobs = false;
  for (auto result : object) {
    ondemand::field field;
    error = std::move(result).get(field);
    if (error) return code_of(error);
    const char *key = field.key().raw();
    Code code = DROVER_INDEX_OK;
    if (is(key, "id")) {
      if (has_id) return DROVER_INDEX_REPEATED;
      has_id = true;
      code = read_id(field.value(), pack.id);
    } else if (is(key, "blobs")) {
      if (has_blobs) return DROVER_INDEX_REPEATED;
      has_blobs = true;
      code = read_list(field.value(), [&](ondemand::value blob) {
        return read_blob(reader, blob, static_cast<uint32_t>(row) | flags);
      });
    }
    if (code) return code;
  }
  if (!has_id) return DROVER_INDEX_MISSING;
  pack.entry_count = static_cast<uint32_t>(reader.entries.size() - pack.first_entry);
  reader.packs.push_back(pack);
  return DROVER_INDEX_OK;
}

Code read_document(drover_index_reader &reader, ondemand::document &document) {
  ondemand::object root;
  auto error = document.get_object().get(root);
  if (error) return code_of(error);
  bool has_packs = false, has_marked = false;
  for (auto result : root) {
    ondemand::field field;
    error = std::move(result).get(field);
    if (error) return code_of(error);
    const char *key = field.key().raw();
    bool packs = is(key, "packs"), marked = is(key, "packs_to_delete");
    if (!packs && !marked) continue;
    bool &seen = packs ? has_packs : has_marked;
    if (seen) return DROVER_INDEX_REPEATED;
    seen = true;
    Code code = read_list(field.value(), [&](ondemand::value pack) {
      return read_pack(reader, pack, marked ? DROVER_INDEX_MARKED : 0);
    });
    if (code) return code;
  }
  if (!has_packs && !has_marked) return DROVER_INDEX_MISSING;
  // Nothing may stand behind the object.
  bool at_end = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  return at_end ? DROVER_INDEX_OK : DROVER_INDEX_SYNTAX;
}

}  // namespace

drover_index_reader *drover_index_reader_create(void) {
  return new (std::nothrow) drover_index_reader;
}

void drover_index_reader_free(drover_index_reader *reader) { delete reader; }

int drover_index_read(drover_index_reader *reader, const char *text, size_t length,
                      size_t entry_count_max, drover_index_content *content) {
  *content = drover_index_content{};
  try {
    reader->entries.clear();
    reader->packs.clear();
    reader->any_compressed = false;
    reader->entry_count_max = entry_count_max;
    reader->entries.reserve(length / entry_text_bytes);
    ondemand::document document;
    auto error =
        reader->parser.iterate(text, length, length + simdjson::SIMDJSON_PADDING).get(document);
    if (error) return code_of(error);
    Code code = read_document(*reader, document);
    if (code) {
      const char *location;
      if (!document.current_location().get(location) && location >= text &&
          location <= text + length) {
        content->error_position = static_cast<size_t>(location - text);
      }
      return code;
    }
  } catch (const std::exception &) {
    return DROVER_INDEX_MEMORY;
  }
  content->entries = reader->entries.data();
  content->entry_count = reader->entries.size();
  content->packs = reader->packs.data();
  content->pack_count = reader->packs.size();
  content->any_compressed = reader->any_compressed;
  return DROVER_INDEX_OK;
}

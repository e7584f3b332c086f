// Index files of a repository, read by simdjson into flat arrays. The C++ behind this header throws
// nothing across it and keeps no state but the reader's own buffers.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Bytes behind the text that simdjson may read (not: interpret).
extern const size_t drover_index_padding;

// The text is no JSON, or not of the form of an index.
#define DROVER_INDEX_OK 0
#define DROVER_INDEX_SYNTAX 1
#define DROVER_INDEX_TYPE 2
#define DROVER_INDEX_ID 3
#define DROVER_INDEX_NUMBER 4
#define DROVER_INDEX_MISSING 5
#define DROVER_INDEX_REPEATED 6
#define DROVER_INDEX_BLOB_TYPE 7
#define DROVER_INDEX_TOO_MANY 8
#define DROVER_INDEX_MEMORY 9

// `pack` holds the row of the pack in its low 30 bits and, above them, what the entry is.
#define DROVER_INDEX_ROW_BITS 30
#define DROVER_INDEX_TREE 0x40000000u
#define DROVER_INDEX_MARKED 0x80000000u

// One blob in one pack. Also the form in sorted segments, where `pack` is the row alone.
typedef struct {
  uint64_t id[4];  // big-endian words
  uint32_t pack;
  uint32_t offset;
  uint32_t sealed_length;
  uint32_t plaintext_length;  // 0: not compressed
} drover_index_entry;

// One pack; its entries stand together.
typedef struct {
  uint64_t id[4];
  uint32_t first_entry;
  uint32_t entry_count;
  uint32_t is_marked;  // listed in packs_to_delete
  uint32_t reserved;
} drover_index_pack;

// A row of a segment's table of packs, and of its table of index files.
typedef struct {
  uint64_t id[4];
  uint32_t index_file;
  uint32_t entry_count;  // DROVER_INDEX_MARKED in its highest bit
} drover_index_row;

// What a reader holds after a call; valid until its next call.
typedef struct {
  const drover_index_entry *entries;
  size_t entry_count;
  const drover_index_pack *packs;
  size_t pack_count;
  int any_compressed;
  size_t error_position;  // where reading stopped, when that is known
} drover_index_content;

typedef struct drover_index_reader drover_index_reader;

// NULL when memory is short.
drover_index_reader *drover_index_reader_create(void);
void drover_index_reader_free(drover_index_reader *reader);

// Reads `length` bytes at `text`, behind which `drover_index_padding` more may be read.
int drover_index_read(drover_index_reader *reader, const char *text, size_t length,
                      size_t entry_count_max, drover_index_content *content);

#ifdef __cplusplus
}
#endif

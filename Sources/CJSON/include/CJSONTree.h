// Tree blobs of a repository, read by simdjson and handed over node by node. The C++ behind this
// header throws nothing across it and keeps no state but the reader's own buffers.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DROVER_TREE_OK 0
// The text is no JSON.
#define DROVER_TREE_SYNTAX 1
// A member has another type than the format says.
#define DROVER_TREE_TYPE 2
// An identifier is not 64 lower-case hexadecimal digits.
#define DROVER_TREE_ID 3
// A number is negative, has a fraction, or more than 64 bits.
#define DROVER_TREE_NUMBER 4
// There is no list of nodes, or more than one.
#define DROVER_TREE_NODES 5
// The visitor wanted to stop.
#define DROVER_TREE_STOPPED 6
#define DROVER_TREE_MEMORY 7

// Borrowed bytes, unescaped UTF-8; NULL when the member is absent or null.
typedef struct {
  const uint8_t *bytes;
  size_t count;
} drover_tree_text;

// 32 bytes as big-endian words.
typedef struct {
  uint64_t words[4];
} drover_tree_id;

typedef struct {
  drover_tree_text name;
  drover_tree_text value;  // base64
} drover_tree_attribute;

// One node as it stands in the text; absent numbers are 0.
typedef struct {
  drover_tree_text name, type, mtime, atime, ctime, user, group, target, raw_target, error;
  drover_tree_text generic_attributes;  // JSON text of an object
  uint64_t mode, uid, gid, inode, device_id, size, links, device;
  const drover_tree_attribute *attributes;
  size_t attribute_count;
  const drover_tree_id *content;
  size_t content_count;
  drover_tree_id subtree;
  uint8_t has_content;  // a list, be it empty
  uint8_t has_subtree;
  uint8_t target_escapes_replacement;  // U+FFFD stands as an escape in the target
} drover_tree_node;

typedef struct drover_tree_reader drover_tree_reader;

// Takes a node, which is valid during the call; anything but 0 stops the reading.
typedef int (*drover_tree_visit)(void *context, const drover_tree_node *node);

// NULL when memory is short.
drover_tree_reader *drover_tree_reader_create(void);
void drover_tree_reader_free(drover_tree_reader *reader);

// Reads `length` bytes at `text`. Nodes before a fault have been visited. `position` tells how many
// bytes of the text the reading had reached.
int drover_tree_read(drover_tree_reader *reader, const void *text, size_t length,
                     drover_tree_visit visit, void *context, size_t *position);

#ifdef __cplusplus
}
#endif

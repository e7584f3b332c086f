#include "CJSONTree.h"

#include <cstring>
#include <string_view>
#include <vector>

#include <simdjson.h>

using namespace simdjson;

namespace {

int code_of(error_code error) {
  switch (error) {
  case INCORRECT_TYPE: return DROVER_TREE_TYPE;
  case NUMBER_ERROR:
  case NUMBER_OUT_OF_RANGE: return DROVER_TREE_NUMBER;
  case MEMALLOC: return DROVER_TREE_MEMORY;
  default: return DROVER_TREE_SYNTAX;
  }
}

bool read_id(std::string_view text, drover_tree_id &id) {
  if (text.size() != 64) return false;
  for (int word = 0; word < 4; word++) {
    uint64_t value = 0;
    for (int digit = 0; digit < 16; digit++) {
      unsigned char c = (unsigned char)text[word * 16 + digit];
      unsigned nibble;
      if (c >= '0' && c <= '9') nibble = c - '0';
      else if (c >= 'a' && c <= 'f') nibble = c - 'a' + 10;
      else return false;
      value = value << 4 | nibble;
    }
    id.words[word] = value;
  }
  return true;
}

}  // namespace

struct drover_tree_reader {
  ondemand::parser parser;
  std::vector<char> text;
  std::vector<drover_tree_attribute> attributes;
  std::vector<drover_tree_id> content;
  drover_tree_node node;

  int read(const void *bytes, size_t length, drover_tree_visit visit, void *context,
           size_t *position);

 private:
  int read_root(ondemand::document &document, drover_tree_visit visit, void *context);
  int read_nodes(ondemand::array nodes, drover_tree_visit visit, void *context);
  int read_node(ondemand::object object);
  int read_member(std::string_view key, ondemand::value &value);
  int read_text(ondemand::value &value, drover_tree_text &text);
  int read_number(ondemand::value &value, uint64_t &number);
  int read_target(ondemand::value &value);
  int read_generic(ondemand::value &value);
  int read_subtree(ondemand::value &value);
  int read_content(ondemand::value &value);
  int read_attributes(ondemand::value &value);
  int read_attribute(ondemand::object object);
};

int drover_tree_reader::read(const void *bytes, size_t length, drover_tree_visit visit,
                             void *context, size_t *position) {
  *position = 0;
  text.resize(length + SIMDJSON_PADDING);
  if (length > 0) memcpy(text.data(), bytes, length);
  memset(text.data() + length, ' ', SIMDJSON_PADDING);
  ondemand::document document;
  auto error = parser.iterate(text.data(), length, text.size()).get(document);
  if (error) return code_of(error);
  int code = read_root(document, visit, context);
  const char *place;
  if (code != DROVER_TREE_OK && !document.current_location().get(place)) {
    *position = (size_t)(place - text.data());
  }
  return code;
}

int drover_tree_reader::read_root(ondemand::document &document, drover_tree_visit visit,
                                  void *context) {
  ondemand::object root;
  auto error = document.get_object().get(root);
  if (error) return code_of(error);
  bool found = false;
  for (auto field : root) {
    std::string_view key;
    if ((error = field.unescaped_key().get(key))) return code_of(error);
    if (key != "nodes") continue;
    if (found) return DROVER_TREE_NODES;
    found = true;
    ondemand::value value;
    if ((error = field.value().get(value))) return code_of(error);
    ondemand::json_type type;
    if ((error = value.type().get(type))) return code_of(error);
    if (type == ondemand::json_type::null) continue;
    ondemand::array nodes;
    if ((error = value.get_array().get(nodes))) return code_of(error);
    int code = read_nodes(nodes, visit, context);
    if (code != DROVER_TREE_OK) return code;
  }
  if (!found) return DROVER_TREE_NODES;
  const char *rest;
  error = document.current_location().get(rest);
  return error == OUT_OF_BOUNDS ? DROVER_TREE_OK : DROVER_TREE_SYNTAX;
}

int drover_tree_reader::read_nodes(ondemand::array nodes, drover_tree_visit visit,
                                   void *context) {
  for (auto element : nodes) {
    ondemand::object object;
    auto error = element.get_object().get(object);
    if (error) return code_of(error);
    int code = read_node(object);
    if (code != DROVER_TREE_OK) return code;
    if (visit(context, &node) != 0) return DROVER_TREE_STOPPED;
  }
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_node(ondemand::object object) {
  memset(&node, 0, sizeof node);
  attributes.clear();
  content.clear();
  for (auto field : object) {
    std::string_view key;
    auto error = field.unescaped_key().get(key);
    if (error) return code_of(error);
    ondemand::value value;
    if ((error = field.value().get(value))) return code_of(error);
    ondemand::json_type type;
    if ((error = value.type().get(type))) return code_of(error);
    if (type == ondemand::json_type::null) continue;
    int code = read_member(key, value);
    if (code != DROVER_TREE_OK) return code;
  }
  node.attributes = attributes.data();
  node.attribute_count = attributes.size();
  node.content = content.data();
  node.content_count = content.size();
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_member(std::string_view key, ondemand::value &value) {
  if (key == "name") return read_text(value, node.name);
  if (key == "type") return read_text(value, node.type);
  if (key == "mode") return read_number(value, node.mode);
  if (key == "mtime") return read_text(value, node.mtime);
  if (key == "atime") return read_text(value, node.atime);
  if (key == "ctime") return read_text(value, node.ctime);
  if (key == "uid") return read_number(value, node.uid);
  if (key == "gid") return read_number(value, node.gid);
  if (key == "user") return read_text(value, node.user);
  if (key == "group") return read_text(value, node.group);
  if (key == "inode") return read_number(value, node.inode);
  if (key == "device_id") return read_number(value, node.device_id);
  if (key == "size") return read_number(value, node.size);
  if (key == "links") return read_number(value, node.links);
  if (key == "content") return read_content(value);
  if (key == "subtree") return read_subtree(value);
  if (key == "linktarget") return read_target(value);
  if (key == "linktarget_raw") return read_text(value, node.raw_target);
  if (key == "extended_attributes") return read_attributes(value);
  if (key == "generic_attributes") return read_generic(value);
  if (key == "device") return read_number(value, node.device);
  if (key == "error") return read_text(value, node.error);
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_text(ondemand::value &value, drover_tree_text &text) {
  std::string_view view;
  auto error = value.get_string().get(view);
  if (error) return code_of(error);
  text.bytes = (const uint8_t *)view.data();
  text.count = view.size();
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_number(ondemand::value &value, uint64_t &number) {
  auto error = value.get_uint64().get(number);
  return error ? code_of(error) : DROVER_TREE_OK;
}

int drover_tree_reader::read_target(ondemand::value &value) {
  // What Go makes of a byte that is not UTF-8; a real U+FFFD stands as itself.
  std::string_view token = value.raw_json_token();
  node.target_escapes_replacement = token.find("\\ufffd") != std::string_view::npos;
  return read_text(value, node.target);
}

int drover_tree_reader::read_generic(ondemand::value &value) {
  ondemand::object object;
  auto error = value.get_object().get(object);
  if (error) return code_of(error);
  std::string_view raw;
  if ((error = object.raw_json().get(raw))) return code_of(error);
  size_t count = raw.size();
  while (count > 0 && raw[count - 1] != '}') count--;
  node.generic_attributes.bytes = (const uint8_t *)raw.data();
  node.generic_attributes.count = count;
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_subtree(ondemand::value &value) {
  std::string_view view;
  auto error = value.get_string().get(view);
  if (error) return code_of(error);
  node.has_subtree = 1;
  return read_id(view, node.subtree) ? DROVER_TREE_OK : DROVER_TREE_ID;
}

int drover_tree_reader::read_content(ondemand::value &value) {
  content.clear();
  ondemand::array list;
  auto error = value.get_array().get(list);
  if (error) return code_of(error);
  node.has_content = 1;
  for (auto element : list) {
    std::string_view view;
    if ((error = element.get_string().get(view))) return code_of(error);
    drover_tree_id id;
    if (!read_id(view, id)) return DROVER_TREE_ID;
    content.push_back(id);
  }
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_attributes(ondemand::value &value) {
  attributes.clear();
  ondemand::array list;
  auto error = value.get_array().get(list);
  if (error) return code_of(error);
  for (auto element : list) {
    ondemand::object object;
    if ((error = element.get_object().get(object))) return code_of(error);
    int code = read_attribute(object);
    if (code != DROVER_TREE_OK) return code;
  }
  return DROVER_TREE_OK;
}

int drover_tree_reader::read_attribute(ondemand::object object) {
  drover_tree_attribute attribute = {};
  for (auto field : object) {
    std::string_view key;
    auto error = field.unescaped_key().get(key);
    if (error) return code_of(error);
    ondemand::value value;
    if ((error = field.value().get(value))) return code_of(error);
    ondemand::json_type type;
    if ((error = value.type().get(type))) return code_of(error);
    if (type == ondemand::json_type::null) continue;
    int code = DROVER_TREE_OK;
    if (key == "name") code = read_text(value, attribute.name);
    if (key == "value") code = read_text(value, attribute.value);
    if (code != DROVER_TREE_OK) return code;
  }
  attributes.push_back(attribute);
  return DROVER_TREE_OK;
}

extern "C" drover_tree_reader *drover_tree_reader_create(void) {
  try {
    return new drover_tree_reader();
  } catch (...) {
    return nullptr;
  }
}

extern "C" void drover_tree_reader_free(drover_tree_reader *reader) { delete reader; }

extern "C" int drover_tree_read(drover_tree_reader *reader, const void *text, size_t length,
                                drover_tree_visit visit, void *context, size_t *position) {
  try {
    return reader->read(text, length, visit, context, position);
  } catch (...) {
    return DROVER_TREE_MEMORY;
  }
}

import ObjectStorage
import Platform
import Testing

@Suite struct ObjectKeyTests {
  @Test(arguments: [
    "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/.", "./a", "a\0b", "\0",
    String(repeating: "k", count: 1025),
  ])
  func refuses(_ text: String) {
    expectError(.usage) { _ = try ObjectKey(text) }
    #expect(ObjectKey(bytes: Array(text.utf8)) == nil)
  }

  @Test(arguments: [
    "a", "config", "data/ab/abcd", "...", "a/...", ".a", "..a/b", "a b", "\n",
    String(repeating: "k", count: 1024),
  ])
  func takes(_ text: String) throws {
    #expect(try ObjectKey(text).text == text)
    #expect(ObjectKey(bytes: Array(text.utf8))?.text == text)
  }

  @Test func bytesThatAreNotTextAreNoKey() {
    #expect(ObjectKey(bytes: [0x61, 0xff]) == nil)
    #expect(ObjectKey(bytes: [0xc3]) == nil)
  }

  @Test func keysAreComparedAsBytes() throws {
    let composed = try key("\u{e9}")
    let decomposed = try key("e\u{301}")
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(decomposed < composed)
    #expect(try key("a-") < key("a/b"))
    #expect(try key("a/b") < key("a0"))
  }

  @Test func folderAndName() throws {
    let deep = try key("data/ab/abcd")
    #expect(deep.folder == "data/ab" && deep.name == "abcd")
    let flat = try key("config")
    #expect(flat.folder == "" && flat.name == "config")
  }

  @Test(arguments: [
    "/", "/a", "a//", "../", "a/../b", "./", "a\0", String(repeating: "/", count: 3),
  ])
  func refusesPrefix(_ text: String) {
    expectError(.usage) { _ = try ObjectPrefix(text) }
  }

  @Test func prefixesMatchText() throws {
    #expect(ObjectPrefix.all.matches(try key("a")))
    #expect(try ObjectPrefix("data/0").matches(key("data/0a/b")))
    #expect(try !ObjectPrefix("data/0").matches(key("data/10")))
    #expect(try !ObjectPrefix("data/").matches(key("data")))
    #expect(try ObjectPrefix(folder: key("data")).text == "data/")
    #expect(try ObjectPrefix("..").matches(key("..a")))
  }

  @Test func messagesShowNoControlBytes() throws {
    #expect(try key("a\u{1b}[31m").description == "a\\#033[31m")
  }
}

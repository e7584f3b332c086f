import Platform
import Testing

@Suite struct Base64Tests {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func isThatOfTheStandard(plain: String, encoded: String) {
    #expect(Base64.text(of: Array(plain.utf8)) == encoded)
    #expect(Base64.bytes(of: encoded) == Array(plain.utf8))
  }

  @Test func takesEveryByteAndLineBreaks() {
    let all = Array(UInt8.min...UInt8.max)
    #expect(Base64.bytes(of: Base64.text(of: all)) == all)
    #expect(Base64.bytes(of: "//79") == [0xff, 0xfe, 0xfd])
    #expect(Base64.bytes(of: "Zm9v\nYg==\r\n") == Array("foob".utf8))
  }

  @Test(arguments: [
    "Z", "Zg", "Zg=", "Zg===", "Zm9v=", "Z===", "=", "=Zg=", "Zm 9v", "Zm9*", "Z%==", "Zg==Zg==",
  ])
  func refusesOtherTexts(text: String) {
    #expect(Base64.bytes(of: text) == nil)
  }
}

import Platform
import Testing

/// Key bytes are lent, not shown.
@Suite struct SecretBytesTests {
  @Test("What went in is lent, by both ways")
  func content() {
    let secret = SecretBytes([1, 2, 3])
    #expect(secret.count == 3)
    #expect(secret.withBytes { [UInt8]($0) } == [1, 2, 3])
    #expect([UInt8](secret.borrowed) == [1, 2, 3])
    #expect(SecretBytes([]).withBytes { $0.count } == 0)
  }

  @Test("Nothing of it shows in dumps and reports")
  func reflection() {
    let secret = SecretBytes(Array("hush-hush".utf8))
    var text = ""
    dump(secret, to: &text)
    #expect(!text.contains("104") && !text.contains("hush"))
    #expect(Mirror(reflecting: secret).children.isEmpty)
  }
}

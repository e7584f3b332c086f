import Platform
import Testing

/// Hex and printable names.
@Suite struct BytesTests {
  @Test func hexGoesBothWays() {
    let all = (0...255).map { UInt8($0) }
    #expect(bytes(hex: hex(all)) == all)
    #expect(hex([0x00, 0x0f, 0xff]) == "000fff")
    #expect(bytes(hex: "ABcd") == [0xab, 0xcd])
    #expect(bytes(hex: "") == [])
  }

  @Test(arguments: ["0", "0g", "é1", " 00"])
  func otherTextIsNoHex(text: String) {
    #expect(bytes(hex: text) == nil)
  }

  @Test func namesArePrintedAsRsyncPrintsThem() {
    #expect(printable(Array("größe".utf8)) == "größe")
    #expect(printable([0x61, 0x0a, 0x62]) == "a\\#012b")
    #expect(printable([0xff]) == "\\#377")
    #expect(printable([]) == "")
  }
}

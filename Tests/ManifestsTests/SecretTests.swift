import Manifests
import Platform
import Testing

private let hexKey = String(repeating: "ab", count: 16)

@Suite struct SecretTests {
  @Test(arguments: ["id:\(hexKey)", "id:\(hexKey)\n", "a:\(hexKey)\r\nb:\(hexKey)\n\n"])
  func acceptsKeyFiles(text: String) {
    #expect(KeyFile.problem(in: Array(text.utf8)) == nil)
  }

  @Test(arguments: [
    ("", "holds no line"), ("nocolon", "colon is missing"), (":\(hexKey)", "no identity"),
    ("id:abcd", "4 hexadecimal digits: at least 32"), ("id:\(hexKey)a", "even number"),
    ("id:zz\(hexKey)", "even number"), ("id:\(hexKey)\nid", "line 2"),
  ])
  func refusesBrokenKeyFiles(text: String, expected: String) throws {
    let problem = try #require(KeyFile.problem(in: Array(text.utf8)))
    #expect(problem.contains(expected))
    #expect(!problem.contains(hexKey))
  }

  @Test func generatesKeysAsVolSyncDoes() {
    let key = KeyFile.generate()
    #expect(key.count == 8 + 128)
    #expect(String(decoding: key, as: UTF8.self).hasPrefix("volsync:"))
    #expect(KeyFile.problem(in: key) == nil)
    #expect(KeyFile.firstIdentity(of: key) == "volsync")
    #expect(KeyFile.generate() != key)
  }

  @Test func checksTheKeyWhereItIsUsed() {
    let secret = """
      ---
      apiVersion: v1
      kind: Secret
      metadata: {name: key}
      stringData: {psk.txt: "id:secretsecret"}
      """
    let named = replacing("copyMethod: Direct", "copyMethod: Direct\n    keySecret: key")
    #expect(
      problems(of: named + secret) == [
        "a.yaml:16: Secret/key: data.psk.txt: line 1 of it has a key that is not an even number of "
          + "hexadecimal digits"
      ])
    #expect(
      problems(of: named) == [
        #"a.yaml:11: ReplicationSource/data: spec.rsyncTLS.keySecret: no Secret "key" in "#
          + #"namespace "default" in the given files"#
      ])
  }

  @Test func neverRepeatsASecretValue() {
    let text = """
      apiVersion: v1
      kind: Secret
      metadata: {name: key}
      stringData: {psk.txt: 123456789}
      data: {other: "!!!hunter2!!!"}
      """
    let found = problems(of: text)
    #expect(found.count == 2)
    #expect(!found.contains { $0.contains("123456789") || $0.contains("hunter2") })
  }
}

import Cryptography
import HTTPClient
import ObjectStorage
import Platform
import Testing

/// Amazon's published examples of "Signature Calculations for the Authorization Header".
struct SignatureExample: Sendable {
  var name: String
  var signature: S3Signature
  var expected: String

  private static let host = HTTPField("Host", "examplebucket.s3.amazonaws.com")
  private static let date = HTTPField("x-amz-date", "20130524T000000Z")

  private static func make(
    _ name: String, _ method: HTTPMethod, _ path: String, _ query: [(name: String, value: String)],
    _ fields: [HTTPField], _ hash: String, _ expected: String
  ) -> SignatureExample {
    let signature = S3Signature(
      method: method, path: path, query: query,
      fields: [host, date, HTTPField("x-amz-content-sha256", hash)] + fields, payloadHash: hash,
      region: "us-east-1", time: WallTime(seconds: 1_369_353_600))
    return SignatureExample(name: name, signature: signature, expected: expected)
  }

  static let all = [
    make(
      "GET Object", .get, "/test.txt", [], [HTTPField("Range", "bytes=0-9")],
      S3Signature.emptyHash, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    make(
      "PUT Object", .put, "/test%24file.text", [],
      [
        HTTPField("Date", "Fri, 24 May 2013 00:00:00 GMT"),
        HTTPField("x-amz-storage-class", "REDUCED_REDUNDANCY"),
      ], "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    make(
      "GET Bucket Lifecycle", .get, "/", [("lifecycle", "")], [], S3Signature.emptyHash,
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    make(
      "GET Bucket", .get, "/", [("prefix", "J"), ("max-keys", "2")], [], S3Signature.emptyHash,
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
  ]
}

@Suite struct S3SignatureTests {
  private let secret = SecretBytes(Array("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8))

  @Test(arguments: SignatureExample.all)
  func publishedExamplesComeOut(_ example: SignatureExample) throws {
    let signature = example.signature
    let key = try signature.signingKey(secret: secret)
    #expect(try signature.signature(key: key) == example.expected, "\(example.name)")
    let header = try signature.authorization(accessKey: "AKIAIOSFODNN7EXAMPLE", key: key)
    #expect(
      header.hasPrefix(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "))
    #expect(header.hasSuffix("Signature=\(example.expected)"))
  }

  /// The text of the first example, which names what is wrong when the signature is.
  @Test func theCanonicalRequestIsThePublishedOne() throws {
    let signature = SignatureExample.all[0].signature
    #expect(
      signature.canonicalRequest == """
        GET
        /test.txt

        host:examplebucket.s3.amazonaws.com
        range:bytes=0-9
        x-amz-content-sha256:\(S3Signature.emptyHash)
        x-amz-date:20130524T000000Z

        host;range;x-amz-content-sha256;x-amz-date
        \(S3Signature.emptyHash)
        """)
    #expect(
      try signature.stringToSign() == """
        AWS4-HMAC-SHA256
        20130524T000000Z
        20130524/us-east-1/s3/aws4_request
        7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972
        """)
  }

  @Test func queriesAreSortedByTheirEncodedNames() {
    let query: [(name: String, value: String)] = [
      ("b", "2"), ("a~", ""), ("a b", "x/y+z"), ("a", "ü"), ("b", "1"), ("A", "*"),
    ]
    #expect(
      S3Signature.canonicalQuery(query) == "A=%2A&a=%C3%BC&a%20b=x%2Fy%2Bz&a~=&b=1&b=2")
  }

  @Test func blanksInFieldsCollapse() {
    let signature = S3Signature(
      method: .get, path: "/", fields: [HTTPField("X-Amz-Meta-A", "  one   two\t three ")],
      payloadHash: "UNSIGNED-PAYLOAD", region: "r", time: WallTime(seconds: 0))
    #expect(signature.canonicalRequest.contains("\nx-amz-meta-a:one two three\n"))
    #expect(signature.scope == "19700101/r/s3/aws4_request")
  }
}

import Platform
import Remotes
import Testing

/// Remotes are taken apart as rclone takes them apart.
@Suite struct RemoteAddressTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var text: String
    var head: RemoteAddress.Head
    var path: String
    var options: [String: String]
    var testDescription: String { text }
    init(
      _ text: String, _ head: RemoteAddress.Head, _ path: String, _ options: [String: String] = [:]
    ) {
      (self.text, self.head, self.path, self.options) = (text, head, path, options)
    }
  }

  static let rows: [Row] = [
    Row("name:", .named("name"), ""), Row("name:a/b", .named("name"), "a/b"),
    Row("name:/a:b", .named("name"), "/a:b"), Row("a b.c-d+e@f_g:x", .named("a b.c-d+e@f_g"), "x"),
    Row("é1:x", .named("é1"), "x"), Row(":s3:b", .ofType("s3"), "b"),
    Row("/a/b:c", .localPath, "/a/b:c"), Row("a/b:c", .localPath, "a/b:c"),
    Row("file", .localPath, "file"), Row("a\\b:c", .localPath, "a\\b:c"),
    Row("./name:x", .localPath, "./name:x"),
    Row("a,b=c/d", .localPath, "a,b=c/d"), Row("a,b", .localPath, "a,b"),
    Row("n,a=1:p", .named("n"), "p", ["a": "1"]), Row("n,a:p", .named("n"), "p", ["a": "true"]),
    Row("n,a,b=2,a=3:p", .named("n"), "p", ["a": "3", "b": "2"]),
    Row("n,a=:p", .named("n"), "p", ["a": ""]),
    Row(":s3,e='h:9,x':b/c", .ofType("s3"), "b/c", ["e": "h:9,x"]),
    Row("n,a=\"x\"\"y\",b='it''s':p", .named("n"), "p", ["a": "x\"y", "b": "it's"]),
    Row("n,a=x\"y:p", .named("n"), "p", ["a": "x\"y"]),
    Row("n,global.x=1:p", .named("n"), "p", ["global.x": "1"]),
    Row("n,a=http://h:9/b:p", .named("n"), "//h:9/b:p", ["a": "http"]),
  ]

  @Test(arguments: rows)
  func isTakenApart(row: Row) throws {
    let address = try RemoteAddress(row.text)
    #expect(address.head == row.head)
    #expect(address.path == row.path)
    #expect(address.options == row.options)
  }

  @Test(arguments: [
    "", ":", "::x", "-n:x", " n:x", "n :x", "n*:x", ":s3/x:y", "n,x-y=3:b", "n,=3:b", "n,:b",
    "n,a=\"x\"y:b", "n,a=\"x:b", ":s3,a=b",
    // An option's name cannot have a slash, and behind a comma nothing is local any more.
    "a,b/c:d",
  ])
  func isRefused(text: String) {
    #expect(throws: RemoteError.self) { try RemoteAddress(text) }
  }

  @Test func optionsDoNotShowInErrors() {
    let error = #expect(throws: RemoteError.self) {
      try RemoteAddress("n,secret_access_key='hush'x:b")
    }
    #expect(error.map { !$0.description.contains("hush") } == true)
  }
}

import Remotes
import Testing

/// A configuration file is read with all habits of rclone's reader. What is expected here, rclone
/// 1.60 and 1.75 printed by `config dump`.
@Suite struct ConfigFileTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var text: String
    /// `section.key=value` in the order of the file.
    var dump: [String]
    var testDescription: String { text }
    init(_ text: String, _ dump: [String]) { (self.text, self.dump) = (text, dump) }
  }

  static let plain: [Row] = [
    Row("[x]\na = 1\nb : 2\n  c=3  \n", ["x.a=1", "x.b=2", "x.c=3"]),
    Row("# note\n; note\n[x]\n\ta=1\n", ["x.a=1"]),
    Row("[x]\na = http://h ; note\nb=a#b\n", ["x.a=http://h ; note", "x.b=a#b"]),
    Row("[x]\na=b=c:d\ne:f=g\n", ["x.a=b=c:d", "x.e=f=g"]),
    Row("[x]\na=1\nA=2\na=3\n", ["x.a=3", "x.A=2"]),
    Row("[x]\na=1\n[y]\nb=2\n[x]\nc=3\n", ["x.a=1", "x.c=3", "y.b=2"]),
    Row("[x]\na=1\na=\n", ["x.a="]),
    Row("a=1\n[x]\ny=1\n", ["DEFAULT.a=1", "x.y=1"]),
    Row("[x]\r\na=1\r\nb=2", ["x.a=1", "x.b=2"]),
    Row("\u{feff}[x]\na=1\n", ["x.a=1"]),
    Row("[ x y ]\na=1\n", ["x y.a=1"]),
    Row("[x]\n\u{a0}b\u{a0}=\u{2003}c\u{2003}\n", ["x.b=c"]),
  ]

  static let quotes: [Row] = [
    Row("[x]\na = \"q\"\nb=\"x\" y\n", ["x.a=\"q\"", "x.b=\"x\" y"]),
    Row("[x]\na=`b `\nc=`x`y`\nd=`\ne=``\n", ["x.a=b ", "x.c=x`y", "x.d=`", "x.e="]),
    Row("[x]\na=\"\"\"six\"\"\"\nb=\"\"\"\"\"\n", ["x.a=six", "x.b=\"\"\"\"\""]),
    Row("[x]\n\"a=b\" = 1\n\"\"\"c\"d\"\"\" = 2\n`e:f`=3\n", ["x.a=b=1", "x.c\"d=2", "x.e:f=3"]),
    Row("[x]\n\"k\" z = 5\n\"\" = 3\n", ["x.k=5"]),
    Row("[x]\n- = 4\n- = 5\n[y]\n-=6\n", ["x.#1=4", "x.#2=5", "y.#1=6"]),
  ]

  static let references: [Row] = [
    Row("[x]\na=1\nb=%(a)s/%(a)s\nc=%(none)s\n", ["x.a=1", "x.b=1/1", "x.c="]),
    Row("d=dd\n[x]\na=%(d)s\n", ["DEFAULT.d=dd", "x.a=dd"]),
    Row("a=0\n[x]\na=1\nb=%(a)s\n", ["DEFAULT.a=0", "x.a=1", "x.b=0"]),
    Row("[x]\nkeys=zz\nkey=k\nv=%(keys)s\n", ["x.keys=zz", "x.key=k", "x.v=k"]),
    Row("[x]\na=%()s %( )s %(a b)s\n", ["x.a=%()s   "]),
    Row("[x]\nself=%(self)s\n", ["x.self=%(self)s"]),
    Row("[x]\nn=1\nlist=%(%(n)s\n", ["x.n=1", "x.list=1"]),
  ]

  @Test(arguments: plain + quotes + references)
  func dumpsAsRclone(row: Row) throws {
    let file = try ConfigFile(Array(row.text.utf8), path: "f")
    let dump = try file.sectionNames.flatMap { section in
      try file.keys(of: section).map { key in
        "\(section).\(key)=\(try file.value(of: key, in: section)?.text ?? "nil")"
      }
    }
    #expect(dump == row.dump)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    var text: String
    var line: Int
    var testDescription: String { text }
    init(_ text: String, line: Int) { (self.text, self.line) = (text, line) }
  }

  static let bad: [Bad] = [
    Bad("[x]\nsecret words\n", line: 2), Bad("[x]\n=1\n", line: 2), Bad("\n[]\n#\ny=1\n", line: 4),
    Bad("[x]\nu=`secret\n", line: 2), Bad("[x]\n\"secret = 1\n", line: 2),
    Bad("[x]\n\"secret\" 1\n", line: 2), Bad("[x] ; note\na=1\n", line: 1),
  ]

  @Test(arguments: bad)
  func badLineIsNamedByFileAndLine(row: Bad) throws {
    let error = #expect(throws: RemoteError.self) {
      try ConfigFile(Array(row.text.utf8), path: "dir/rclone.conf")
    }
    let message = try #require(error?.message)
    #expect(message.hasPrefix("dir/rclone.conf:\(row.line): "))
    #expect(!message.contains("secret"))
  }

  @Test func valuesKnowTheirLines() throws {
    let file = try ConfigFile(Array("[x]\n\na=1\n[x.y]\n".utf8), path: "f")
    #expect(try file.value(of: "a", in: "x")?.line == 3)
    // A section with a dot takes what it lacks from the one before the dot.
    #expect(try file.value(of: "a", in: "x.y")?.text == "1")
    #expect(try file.value(of: "a", in: "x.z")?.text == nil)
    #expect(file.keys(of: "x.y") == [])
  }

  @Test(arguments: ["a=%(b)s\nb=%(a)s\n", "a=%(a)s\n", "[x]\na=%(a)s%(a)s\n"])
  func circlesEnd(text: String) throws {
    let file = try ConfigFile(Array(text.utf8), path: "f")
    #expect(throws: RemoteError.self) {
      try file.value(of: "a", in: text.hasPrefix("[") ? "x" : "DEFAULT")
    }
  }

  @Test func encryptedFileIsRefused() throws {
    let text = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n"
    #expect(throws: RemoteError.encrypted(file: "f", line: 3)) {
      try ConfigFile(Array(text.utf8), path: "f")
    }
  }

  @Test func nothingOfAFileShowsInItsDescription() throws {
    let file = try ConfigFile(Array("[x]\nsecret_access_key=hush\n".utf8), path: "f")
    var dumped = ""
    dump(file, to: &dumped)
    #expect(!"\(file) \(dumped) \(String(reflecting: file))".contains("hush"))
  }
}

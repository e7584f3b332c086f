import ArgumentParser
import Compression
import Cryptography
import DeltaCoding
import HTTPClient
import ObjectStorage
import Platform
import Replication

/// The version of this program.
let droverVersion = "0.1.0"

/// `drover version`: this program and what is linked into it.
struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the versions of drover and of its libraries.")

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let versions = [
      ("drover", droverVersion), ("protocol", String(WireLimits.version)),
      ("openssl", openSSLVersion), ("zstd", Zstd.libraryVersion),
      ("librsync", librsyncVersion), ("xxhash", XXH3.libraryVersion), ("curl", curlVersion),
      ("libxml2", xmlVersion),
    ]
    if json {
      var object = JSONObject()
      for (name, version) in versions { object[name] = .string(version) }
      Console.standard.print(
        String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
    } else {
      for (name, version) in versions { Console.standard.print("\(name) \(version)") }
    }
    Console.standard.flush()
  }
}

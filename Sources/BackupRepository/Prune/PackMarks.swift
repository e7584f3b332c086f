import Platform

/// Reads which packs another tool has marked for deletion, and when (`packs_to_delete`).
enum PackMarks {
  /// For marks without a time in files that are written anew, which have to say one: such a mark
  /// never expires.
  static let never = GoTime(seconds: CivilTime.secondsRange.upperBound)

  /// The marks of some index files with their times.
  static func read(
    _ repository: Repository, _ files: Set<IndexID>
  ) throws(RepositoryError) -> [PackID: GoTime] {
    var times: [PackID: GoTime] = [:]
    for mark in try all(repository, files) {
      times[mark.id] = mark.time ?? never
    }
    return times
  }

  /// The marks of the index files that have some.
  static func all(
    _ repository: Repository, _ files: Set<IndexID>
  ) throws(RepositoryError) -> [(id: PackID, time: GoTime?)] {
    var marks: [(id: PackID, time: GoTime?)] = []
    let codec = try repository.makeCodec()
    for file in files.sorted() {
      let json = try repository.load(file, codec)
      let value: JSONValue
      guard contains(json, "\"packs_to_delete\"") else { continue }
      do throws(JSONError) {
        let limits = JSONLimits(sizeBytesMax: UnpackedFile.byteCountMax, depthMax: 16)
        value = try JSONValue(parsing: json, limits: limits)
      } catch {
        throw .corrupt(.index, place: file.short, reason: error.message)
      }
      for pack in value.objectValue?["packs_to_delete"]?.arrayValue ?? [] {
        guard let text = pack.objectValue?["id"]?.stringValue, let id = PackID(hex: text) else {
          throw .corrupt(.index, place: file.short, reason: "a marked pack has no identifier")
        }
        let time = pack.objectValue?["time"]?.stringValue.flatMap { GoTime(text: $0) }
        marks.append((id, time))
      }
    }
    return marks
  }

  private static func contains(_ json: [UInt8], _ word: String) -> Bool {
    let word = Array(word.utf8)
    guard json.count >= word.count else { return false }
    return json.withUnsafeBytes { bytes in
      // Keys begin with a quotation mark: few places of the text are looked at twice.
      (0...(bytes.count - word.count)).contains { start in
        bytes[start] == word[0] && bytes[start + 1] == word[1]
          && bytes[start..<start + word.count].elementsEqual(word)
      }
    }
  }
}

/// The figures of a prune, with restic's meaning: sizes are those of sealed blobs, headers aside.
package struct PruneStatistics: Sendable, Equatable {
  package struct Blobs: Sendable, Equatable {
    package var used: UInt64 = 0
    package var duplicate: UInt64 = 0
    package var unused: UInt64 = 0
    package var remove: UInt64 = 0
    package var repack: UInt64 = 0
    /// Of those to repack: not written again.
    package var repackRemove: UInt64 = 0
  }

  package struct Bytes: Sendable, Equatable {
    package var used: UInt64 = 0
    package var duplicate: UInt64 = 0
    package var unused: UInt64 = 0
    package var remove: UInt64 = 0
    package var repack: UInt64 = 0
    package var repackRemove: UInt64 = 0
    package var unreferenced: UInt64 = 0
    /// Of packs that stay and hold something uncompressed.
    package var uncompressed: UInt64 = 0
  }

  package struct Packs: Sendable, Equatable {
    package var used = 0
    package var unused = 0
    package var partlyUsed = 0
    package var unreferenced = 0
    package var keep = 0
    package var repack = 0
    package var remove = 0
    /// Left alone because another tool has marked them for deletion.
    package var marked = 0
  }

  package var blobs = Blobs()
  package var bytes = Bytes()
  package var packs = Packs()

  package init() {}

  package var totalBlobs: UInt64 { blobs.used &+ blobs.unused &+ blobs.duplicate }
  package var totalBytes: UInt64 {
    bytes.used &+ bytes.duplicate &+ bytes.unused &+ bytes.unreferenced
  }
  package var prunedBlobs: UInt64 { blobs.remove &+ blobs.repackRemove }
  package var prunedBytes: UInt64 {
    bytes.remove &+ bytes.repackRemove &+ bytes.unreferenced
  }
  package var remainingBlobs: UInt64 { totalBlobs &- prunedBlobs }
  package var remainingBytes: UInt64 { totalBytes &- prunedBytes }
  package var unusedBytesBefore: UInt64 { bytes.duplicate &+ bytes.unused }
  package var unusedBytesAfter: UInt64 {
    unusedBytesBefore &- bytes.remove &- bytes.repackRemove
  }

  /// The summary as restic prints it, in lines; `isVerbose` adds what `-v` adds.
  package func lines(isVerbose: Bool) -> [String] {
    var lines: [String] = []
    func blobLine(_ name: String, _ count: UInt64, _ bytes: UInt64) {
      lines.append(
        "\(padded(name, 14))\(right("\(count)", 10)) blobs / \(byteText(bytes))")
    }
    if isVerbose {
      lines.append("")
      blobLine("used:", blobs.used, bytes.used)
      if blobs.duplicate > 0 { blobLine("duplicates:", blobs.duplicate, bytes.duplicate) }
      blobLine("unused:", blobs.unused, bytes.unused)
      if bytes.unreferenced > 0 {
        lines.append("unreferenced:" + right("", 20) + byteText(bytes.unreferenced))
      }
      blobLine("total:", totalBlobs, totalBytes)
      lines.append("unused size: \(percentText(unusedBytesBefore, totalBytes)) of total size")
    }
    lines.append("")
    blobLine("to repack:", blobs.repack, bytes.repack)
    blobLine("this removes:", blobs.repackRemove, bytes.repackRemove)
    blobLine("to delete:", blobs.remove, bytes.remove &+ bytes.unreferenced)
    blobLine("total prune:", prunedBlobs, prunedBytes)
    if bytes.uncompressed > 0 {
      lines.append("not yet compressed:" + right("", 14) + byteText(bytes.uncompressed))
    }
    blobLine("remaining:", remainingBlobs, remainingBytes)
    lines.append(
      "unused size after prune: \(byteText(unusedBytesAfter)) "
        + "(\(percentText(unusedBytesAfter, remainingBytes)) of remaining size)")
    lines.append("")
    return isVerbose ? lines + packLines : lines
  }

  private var packLines: [String] {
    func line(_ name: String, _ count: Int, _ unit: String = "") -> String {
      "\(name)\(right("\(count)", 10))\(unit)"
    }
    var lines = [
      line("totally used packs: ", packs.used), line("partly used packs:  ", packs.partlyUsed),
      line("unused packs:       ", packs.unused), "",
      line("to keep:      ", packs.keep, " packs"), line("to repack:    ", packs.repack, " packs"),
      line("to delete:    ", packs.remove, " packs"),
    ]
    if packs.unreferenced > 0 {
      lines += [line("to delete:    ", packs.unreferenced, " unreferenced packs"), ""]
    }
    if packs.marked > 0 {
      lines.append(line("left alone:   ", packs.marked, " packs marked by another tool"))
    }
    return lines
  }
}

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.utf8.count))
}

private func right(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.utf8.count)) + text
}

/// A size as restic writes it: three decimals, rounded to even, in powers of 1024; `0 B`.
package func byteText(_ count: UInt64) -> String {
  let units: [(shift: UInt64, name: String)] = [
    (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"),
  ]
  guard let unit = units.first(where: { count >= 1 << $0.shift }) else { return "\(count) B" }
  let whole = count >> unit.shift
  let rest = (count & ((1 << unit.shift) &- 1)) &* 1000
  var thousandths = rest >> unit.shift
  let remainder = rest & ((1 << unit.shift) &- 1)
  let half = UInt64(1) << (unit.shift - 1)
  if remainder > half || (remainder == half && thousandths & 1 == 1) { thousandths += 1 }
  let total = whole * 1000 + thousandths
  return "\(total / 1000).\(String(total % 1000 + 1000).dropFirst()) \(unit.name)"
}

/// A share as restic writes it: two decimals; 0.00% of nothing.
package func percentText(_ part: UInt64, _ whole: UInt64) -> String {
  guard whole > 0 else { return "0.00%" }
  let share = min(1, Double(part) / Double(whole))
  let hundredths = Int((share * 10_000).rounded(.toNearestOrEven))
  return "\(hundredths / 100).\(String(hundredths % 100 + 100).dropFirst())%"
}

import Platform
import Testing

@testable import drover

/// The line on a terminal: what it says, how often, and in how many columns.
@Suite struct ProgressLineTests {
  private let start = MonotonicTime(nanoseconds: 1_000_000_000)

  private func progress(
    _ files: Int64, of total: Int64, _ bytes: Int64, of size: Int64, isComplete: Bool = true
  ) -> ProgressFigures {
    var progress = ProgressFigures()
    progress.fileCountDone = files
    progress.fileCountTotal = total
    progress.sizeBytesDone = bytes
    progress.sizeBytesTotal = size
    progress.totalsAreFinal = isComplete
    return progress
  }

  @Test("Totals that still grow are marked, and no time is foretold")
  func growing() {
    var line = ProgressLine(now: start)
    let text = line.draw(
      progress(3, of: 1200, 2 << 20, of: 4 << 20, isComplete: false),
      now: start.advanced(bySeconds: 2), columnCount: 80)
    #expect(text == "3/1,200+ files  2.00 MiB of 4.00 MiB+  1.00 MiB/s  0:02")
  }

  @Test("After the walk the time left is told, from the rate")
  func remaining() {
    var line = ProgressLine(now: start)
    let text = line.draw(
      progress(1, of: 2, 1 << 20, of: 61 << 20), now: start.advanced(bySeconds: 1),
      columnCount: 80)
    #expect(text == "1/2 files  1.00 MiB of 61.0 MiB  1.00 MiB/s  1:00 left")
    let end = line.draw(
      progress(2, of: 2, 61 << 20, of: 61 << 20), now: start.advanced(bySeconds: 1.5),
      columnCount: 80)
    #expect(end?.hasSuffix("0:02") == true)
  }

  @Test("The rate follows the last seconds, smoothed")
  func rate() {
    var line = ProgressLine(now: start)
    func draw(_ second: Double, _ bytes: Int64) -> String? {
      line.draw(
        progress(0, of: 1, bytes, of: 1 << 40), now: start.advanced(bySeconds: second),
        columnCount: 80)
    }
    #expect(draw(1, 10 << 20)?.contains("10.0 MiB/s") == true)
    // 20 MiB in the second second: 0.7 of the old rate and 0.3 of the new one.
    #expect(draw(2, 30 << 20)?.contains("13.0 MiB/s") == true)
    // Within a second the rate stands.
    #expect(draw(2.5, 500 << 20)?.contains("13.0 MiB/s") == true)
  }

  @Test("A line is drawn ten times a second at most")
  func interval() {
    var line = ProgressLine(now: start)
    let drawn = [0.0, 0.05, 0.09, 0.11, 0.2, 0.25].map {
      line.draw(progress(0, of: 1, 0, of: 1), now: start.advanced(bySeconds: $0), columnCount: 80)
        != nil
    }
    #expect(drawn == [true, false, false, true, false, true])
  }

  @Test("In a narrow terminal whole parts are left out, and the last column stays free")
  func columns() {
    let full = "1/2 files  1.00 MiB of 61.0 MiB  1.00 MiB/s  1:00 left"
    for columnCount in 0...80 {
      var line = ProgressLine(now: start)
      let text =
        line.draw(
          progress(1, of: 2, 1 << 20, of: 61 << 20), now: start.advanced(bySeconds: 1),
          columnCount: columnCount) ?? "nothing was drawn"
      #expect(text.count < max(columnCount, 1) && full.hasPrefix(text))
      #expect((text == full) == (columnCount > full.count))
    }
  }
}

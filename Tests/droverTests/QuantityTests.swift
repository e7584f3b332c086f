import Testing

@testable import drover

/// Numbers as people read them, and as rsync's options write them.
@Suite struct QuantityTests {
  @Test(
    "A rate is read with rsync's units",
    arguments: [
      ("0", nil), ("0.0M", nil), ("1", 1024), ("1.5", 1536), ("20M", 20 << 20), ("20m", 20 << 20),
      ("3MiB", 3 << 20), ("3mib", 3 << 20), ("2MB", 2_000_000), ("512B", 512), ("600b", 600),
      ("7K", 7168), ("7KiB", 7168), ("7KB", 7000), ("1.5G", 1_610_612_736), ("1GB", 1_000_000_000),
      ("1T", 1 << 40), ("2TB", 2_000_000_000_000), (".5M", 524_288),
    ] as [(String, Int?)])
  func rates(_ text: String, _ expected: Int?) throws {
    let rate = try #require(ByteRate(text), "\(text)")
    #expect(rate.bytesPerSecond == expected)
  }

  @Test(
    "What is no rate is refused",
    arguments: [
      "", "M", "fast", "-1", "+1", "1 M", "1Q", "1MM", "1iB", "511B", "0.4", "1e9", "1.2.3", "inf",
      "nan", "0x10", "１", "999999T", "1K ",
    ])
  func noRates(_ text: String) { #expect(ByteRate(text) == nil) }

  @Test(
    "Counts have a comma every three digits",
    arguments: [
      (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (12_345, "12,345"),
      (1_234_567, "1,234,567"), (-1, "-1"), (-999, "-999"), (-1000, "-1,000"),
      (.max, "9,223,372,036,854,775,807"), (.min, "-9,223,372,036,854,775,808"),
    ] as [(Int64, String)])
  func counts(_ value: Int64, _ text: String) { #expect(Shown.count(value) == text) }

  @Test(
    "Bytes have three digits and a binary unit",
    arguments: [
      (0, "0 B"), (-5, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "0.98 KiB"), (1024, "1.00 KiB"),
      (10_189, "9.95 KiB"), (10_240, "10.0 KiB"), (102_297, "99.9 KiB"), (102_400, "100 KiB"),
      (1_023_000, "999 KiB"), (1_048_576, "1.00 MiB"), (1_319_413_953, "1.23 GiB"),
      (1.5 * 1_099_511_627_776, "1.50 TiB"), (9_223_372_036_854_775_807, "8.00 EiB"),
      (1e22, "8674 EiB"),
    ] as [(Double, String)])
  func bytes(_ value: Double, _ text: String) { #expect(Shown.bytes(value) == text) }

  @Test(
    "Durations are minutes and seconds, with hours when there are some",
    arguments: [
      (0, "0:00"), (-3, "0:00"), (0.4, "0:00"), (0.5, "0:01"), (59.4, "0:59"), (59.6, "1:00"),
      (65, "1:05"), (3599.7, "1:00:00"), (3725, "1:02:05"), (360_000, "100:00:00"),
      (.infinity, "277777:46:40"),
    ] as [(Double, String)])
  func durations(_ seconds: Double, _ text: String) {
    #expect(Shown.duration(seconds: seconds) == text)
  }

  @Test(
    "Decimals are rounded and keep their zeros",
    arguments: [
      (0, 2, "0.00"), (1.005, 1, "1.0"), (0.996, 2, "1.00"), (12.34, 0, "12"), (12.5, 0, "13"),
      (0.05, 2, "0.05"), (3, 3, "3.000"), (1e30, 2, "100000000000000.00"),
    ] as [(Double, Int, String)])
  func decimals(_ value: Double, _ places: Int, _ text: String) {
    #expect(Shown.decimal(value, places: places) == text)
  }
}

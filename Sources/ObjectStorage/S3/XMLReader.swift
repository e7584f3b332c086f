import CXML
import Platform

/// What a document may have at most.
struct XMLLimits: Sendable {
  var depthMax = 12
  var elementCountMax = 200_000
  /// Of one element.
  var textByteCountMax = 64 << 10
  var byteCountMax = 64 << 20
}

enum XMLFailure: Error, Equatable {
  /// Not well-formed; the number is libxml2's.
  case malformed(Int32)
  case documentType
  case tooDeep
  case tooManyElements
  case textTooLong
  case tooLong
  case incomplete

  var problem: String {
    switch self {
    case .malformed(let code): "the answer is no well-formed XML (\(code))"
    case .documentType: "the answer holds a document type, which no answer has"
    case .tooDeep: "the answer is nested too deep"
    case .tooManyElements: "the answer has too many elements"
    case .textTooLong: "a text in the answer is too long"
    case .tooLong: "the answer is too long"
    case .incomplete: "the answer ends too early"
    }
  }
}

/// Takes the elements of a document.
protocol XMLVisitor: AnyObject {
  /// `path` are the local names from the root to the element that begins.
  func begin(_ path: [String])
  /// `text` is what stood in the element, behind its last child.
  func end(_ path: [String], _ text: [UInt8])
}

/// A parser that is fed pieces of a document, of whatever size. Names are local names: the
/// namespaces of S3's answers vary. Entities beside the five of XML and document types are refused.
///
/// Calls libxml2's push interface. One thread.
final class XMLReader {
  private let limits: XMLLimits
  private let visitor: any XMLVisitor
  private let handler: UnsafeMutablePointer<xmlSAXHandler>
  private var parser: xmlParserCtxtPtr?
  private var path: [String] = []
  private var text: [UInt8] = []
  private var elementCount = 0
  private var byteCount = 0
  private var hasBegun = false
  private var failure: XMLFailure?

  init(_ visitor: any XMLVisitor, limits: XMLLimits = XMLLimits()) {
    self.visitor = visitor
    self.limits = limits
    _ = libraryIsReady
    handler = .allocate(capacity: 1)
    handler.initialize(to: xmlSAXHandler())
    drover_xml_silence(handler)
    install()
  }

  deinit {
    if let parser { xmlFreeParserCtxt(parser) }
    handler.deallocate()
  }

  /// Feeds the next piece.
  func feed(_ bytes: UnsafeRawBufferPointer) throws(XMLFailure) {
    byteCount += bytes.count
    guard byteCount <= limits.byteCountMax else { throw .tooLong }
    var rest = bytes[...]
    // A server that takes long sends blanks first, which a parser would not have before the
    // declaration.
    if !hasBegun {
      rest = rest.drop { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }
      guard !rest.isEmpty else { return }
      hasBegun = true
      parser = xmlCreatePushParserCtxt(
        handler, Unmanaged.passUnretained(self).toOpaque(), nil, 0, nil)
      guard let parser else { throw .malformed(0) }
      xmlCtxtUseOptions(
        parser,
        Int32(XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue)
          | Int32(XML_PARSE_NOWARNING.rawValue))
    }
    try parse(UnsafeRawBufferPointer(rebasing: rest), isLast: false)
  }

  /// Ends the document.
  func finish() throws(XMLFailure) {
    guard hasBegun else { throw .incomplete }
    try parse(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true)
    guard path.isEmpty, elementCount > 0 else { throw .incomplete }
  }

  private func parse(_ bytes: UnsafeRawBufferPointer, isLast: Bool) throws(XMLFailure) {
    guard let parser else { throw .incomplete }
    let code = xmlParseChunk(
      parser, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count),
      isLast ? 1 : 0)
    if let failure { throw failure }
    // Namespaces that are not declared and the like do not matter here.
    guard code == 0 || parser.pointee.wellFormed == 1 else { throw .malformed(code) }
  }

  private func stop(_ reason: XMLFailure) {
    if failure == nil { failure = reason }
    if let parser { xmlStopParser(parser) }
  }

  // MARK: Events

  private func begin(_ name: String) {
    guard failure == nil else { return }
    elementCount += 1
    guard elementCount <= limits.elementCountMax else { return stop(.tooManyElements) }
    guard path.count < limits.depthMax else { return stop(.tooDeep) }
    path.append(name)
    text.removeAll(keepingCapacity: true)
    visitor.begin(path)
  }

  private func end() {
    guard failure == nil, !path.isEmpty else { return }
    visitor.end(path, text)
    path.removeLast()
    text.removeAll(keepingCapacity: true)
  }

  private func add(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard failure == nil else { return }
    guard text.count + bytes.count <= limits.textByteCountMax else { return stop(.textTooLong) }
    text.append(contentsOf: bytes)
  }

  private func install() {
    handler.pointee.startElementNs = { context, name, _, _, _, _, _, _, _ in
      guard let name else { return }
      XMLReader.of(context)?.begin(String(cString: name))
    }
    handler.pointee.endElementNs = { context, _, _, _ in XMLReader.of(context)?.end() }
    let characters: charactersSAXFunc = { context, start, count in
      XMLReader.of(context)?.add(UnsafeBufferPointer(start: start, count: Int(count)))
    }
    handler.pointee.characters = characters
    handler.pointee.ignorableWhitespace = characters
    handler.pointee.cdataBlock = characters
    handler.pointee.internalSubset = { context, _, _, _ in
      XMLReader.of(context)?.stop(.documentType)
    }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> XMLReader? {
    context.map { Unmanaged<XMLReader>.fromOpaque($0).takeUnretainedValue() }
  }
}

/// Makes the library ready for many threads, once.
private let libraryIsReady: Bool = {
  xmlInitParser()
  return true
}()

/// The version of the linked libxml2.
package var xmlVersion: String { LIBXML_DOTTED_VERSION }

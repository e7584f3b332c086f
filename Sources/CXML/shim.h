// Headers of the system library; Swift sees them through the module map beside this file.
#pragma once
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/SAX2.h>
#include <libxml/xmlversion.h>

// The signature of this callback differs between releases of the library (`const` or not), so that
// Swift cannot name it for all of them; errors are taken from the result of each call instead.
static inline void drover_xml_ignore_error(void *context, const xmlError *error) {
  (void)context;
  (void)error;
}
static inline void drover_xml_silence(xmlSAXHandler *handler) {
  handler->initialized = XML_SAX2_MAGIC;
  handler->serror = (xmlStructuredErrorFunc)drover_xml_ignore_error;
}

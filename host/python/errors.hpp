#pragma once

namespace multibuffer::python {

/// Makes every `Error` that leaves the module a Python exception of the standard kind for it.
void translate_errors();

}  // namespace multibuffer::python

#pragma once

namespace multibuffer::python {

/// Held while a list is read: lists that are nested deeper than arrays can be, those that hold
/// themselves for instance, end in a ValueError and not at the end of the stack.
class NestedList {
 public:
  NestedList();
  ~NestedList();
  NestedList(const NestedList&) = delete;
  NestedList& operator=(const NestedList&) = delete;
};

}  // namespace multibuffer::python

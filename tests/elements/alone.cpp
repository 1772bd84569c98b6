// Views by their header alone, in C++17: what a compiler of users is given.

#include <multibuffer/element_view.hpp>

using View = multibuffer::ElementView<const float, 3, 2>;

float sum(const View& view) {
  float sum = view(0, 1, 2) + view.at_linear(3);
  for (const float element : view.row(1, 2)) sum += element;
  return sum;
}

float sum(const multibuffer::RowsView<const float>& rows) {
  float sum = 0;
  for (const multibuffer::RowView<const float> row : rows)
    if (!row.empty()) sum += row[0];
  return sum;
}

#ifdef MULTIBUFFER_TEST_MUTABLE
float first(const multibuffer::ElementView<float, 1>& view) { return view(0); }
#endif

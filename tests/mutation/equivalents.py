"""Mutations that no test can notice, and why: (file, regular expression of the kind, code, reason)."""

TABLE = [
    ("host/resolve/pointer_lists.cpp", "one lane's bits alone", "used.push_back(bitmaps_.data() + lane * words_);",
     "fewer bits are counted, which proves less: ids are then assigned by the slower way, and are the same"),
    ("host/resolve/pointer_lists.cpp", "min is max", "return WindowGuess{{std::min(base, highest), shift}, span};",
     "pointers are then outside of the window, and are listed as addresses: slower, with the same result"),
    ("host/resolve/pointer_lists.cpp", "statement dropped", "in_use_[at] = 1;",
     "no bitmap is then counted, which proves nothing: the slower way gives the same ids"),
    ("host/resolve/distinct.cpp", "min is max",
     "count_(std::min(addresses / index_of(words), static_cast<std::size_t>(thread_count()))) {}",
     "how many shares there are changes time and memory alone"),
    ("host/resolve/distinct.cpp", "never", "if (near) {", "prefetching changes time alone"),
    ("host/resolve/distinct.cpp", "<= is <", "const bool has_units = span.units / 4 <= addresses.size();",
     "both tables assign the same ids"),
    ("host/resolve/slot_set.hpp", "never", "if (begin_ == end_) begin_ = end_ = position;",
     "the set is then kept as bits from the start: more memory, the same set"),
    ("host/support/parallel.cpp", "last piece dropped",
     "const std::int64_t pieces = count / piece + (count % piece != 0);",
     "the number of pieces bounds the number of threads alone; pieces are taken until there are none"),
    ("host/view/layout.cpp", "> is >=", "const std::int64_t stop = bound(slice.stop, step > 0 ? highest : lowest);",
     "a step of 0 has been refused"),
]

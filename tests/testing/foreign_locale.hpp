#pragma once

#include <locale>
#include <string>

namespace multibuffer::testing {

/// While it lives, the program's global locale writes 1234567.5 as "1.234.567,5": what a program
/// in Germany sets by `std::locale::global(std::locale(""))`. No locale need be installed.
class ForeignLocale {
 public:
  ForeignLocale() : before_(std::locale::global(std::locale(std::locale(), new Punctuation))) {}
  ~ForeignLocale() { std::locale::global(before_); }
  ForeignLocale(const ForeignLocale&) = delete;
  ForeignLocale& operator=(const ForeignLocale&) = delete;

 private:
  class Punctuation : public std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };

  std::locale before_;
};

}  // namespace multibuffer::testing

#pragma once

#include <multibuffer/error.hpp>

#include <gtest/gtest.h>

#include <string>

namespace multibuffer::testing {

/// Runs `call`, which must throw an Error with `code` whose text has `part` in it.
template <class Call>
void expect_error(Errc code, const std::string& part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
        << "the message is: " << error.what() << "\nexpected in it: " << part;
  }
}

}  // namespace multibuffer::testing

#pragma once

#include <multibuffer/gather_modes.hpp>

#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Python's values as C++ ones, and words for messages about them. Whatever is wrong with a value
/// is an exception that Python has for it, in words of our own.
namespace multibuffer::python {

/// A str as UTF-8. What UTF-8 has no bytes for, lone surrogates, is written as in Python:
/// "\\udc80".
std::string text_of(pybind11::handle str);
/// `repr(object)` and `str(object)` for a message, cut where they are long.
std::string repr_of(pybind11::handle object);
std::string str_of(pybind11::handle object);

/// Returns the words of a str. Errors call it `name`: TypeError for anything else, ValueError for a
/// str with a null character.
std::string text_argument(pybind11::handle object, const char* name);

/// Throw ValueError, with the words there are, for another one.
IndexMode mode_of(pybind11::handle name);
Order order_of(pybind11::handle name);

/// An integer that an int holds, one of 64 bits, a truth value, a real number. Errors call them
/// `name`: TypeError for other kinds of objects, ValueError or, beyond 64 bits, OverflowError for
/// other integers.
int integer_argument(pybind11::handle object, const char* name);
std::int64_t long_argument(pybind11::handle object, const char* name);
bool flag_argument(pybind11::handle object, const char* name);
double number_argument(pybind11::handle object, const char* name);

/// A tuple or list of two integers. Errors call it `name`.
std::pair<std::int64_t, std::int64_t> pair_argument(pybind11::handle object, const char* name);

/// One integer, or a sequence of them. Errors call them `name`.
std::vector<std::int64_t> integers_argument(pybind11::handle object, const char* name);

/// None, a number, or a list, a tuple or an array of numbers along one axis, as float32: as many.
/// Errors call them `name`: TypeError for anything else, ValueError for no numbers, and for those
/// that float32 cannot hold but as infinite.
std::vector<float> floats_argument(pybind11::handle object, const char* name);

/// An address that Python has as an integer. Throws TypeError for anything else, a bool too, and
/// ValueError for a number that is none. Errors call it `name`.
std::uintptr_t address_argument(pybind11::handle object, const char* name);

/// An extent or a sequence of them, one of which may be -1, for `size` elements.
std::vector<std::int64_t> shape_argument(const pybind11::object& wanted, std::int64_t size);

/// transpose(), transpose(None), transpose(1, 0) and transpose((1, 0)): axes counted from the
/// front. That they are a permutation is for the caller to check.
std::vector<int> axes_argument(const pybind11::args& axes, int ndim);

pybind11::tuple to_tuple(std::span<const std::int64_t> numbers);

/// Tells whether a key is a list of names, and of nothing else.
bool is_list_of_names(pybind11::handle key);
/// The names in such a list.
std::vector<std::string> names_of(pybind11::handle key);

}  // namespace multibuffer::python

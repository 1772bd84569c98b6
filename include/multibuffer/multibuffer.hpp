#pragma once

/// The whole library. Its pipeline is ArrayView -> resolve -> place -> upload -> gather -> verify.
#include <multibuffer/access.hpp>
#include <multibuffer/array_view.hpp>
#include <multibuffer/byte_order.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/reference.hpp>
#include <multibuffer/scalar_kind.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>
#include <multibuffer/streamed.hpp>
#include <multibuffer/update.hpp>
#include <multibuffer/verify.hpp>

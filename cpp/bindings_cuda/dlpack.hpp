/// The memory layout of DLPack, the unversioned form that every producer still offers.
///
/// Source: the DLPack specification, https://dmlc.github.io/dlpack/latest/c_api.html.
/// Names, order and sizes of the members are the interface.
#pragma once

#include <cstdint>

namespace fastnotes::dlpack {

enum DeviceType : std::int32_t { cpu = 1, cuda = 2, cuda_host = 3, cuda_managed = 13 };

struct Device {
    std::int32_t type;
    std::int32_t index;
};

enum DataTypeCode : std::uint8_t { signed_int = 0, unsigned_int = 1, real = 2 };

struct DataType {
    std::uint8_t code;
    std::uint8_t bits;
    std::uint16_t lanes;
};

struct Tensor {
    void* data;
    Device device;
    std::int32_t ndim;
    DataType dtype;
    std::int64_t* shape;
    std::int64_t* strides; ///< in elements; null: C-contiguous
    std::uint64_t byte_offset;
};

/// A capsule named "dltensor"; its consumer renames it "used_dltensor".
struct ManagedTensor {
    Tensor tensor;
    void* context;
    void (*deleter)(ManagedTensor*);
};

} // namespace fastnotes::dlpack

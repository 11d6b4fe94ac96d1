/// The memory layout of DLPack: the unversioned capsule that every producer offers, and
/// the C functions of version 1 that some types offer beside it.
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

inline constexpr const char* capsule_name = "dltensor";
inline constexpr const char* used_capsule_name = "used_dltensor"; ///< by its consumer

/// What a capsule of that name points to.
struct ManagedTensor {
    Tensor tensor;
    void* context;
    void (*deleter)(ManagedTensor*);
};

struct Version {
    std::uint32_t major;
    std::uint32_t minor;
};

struct VersionedTensor;

/// What a type's __dlpack_c_exchange_api__ points to, a capsule of this name.
inline constexpr const char* exchange_name = "dlpack_exchange_api";

struct Exchange {
    Version version;
    Exchange* previous;
    int (*allocate)(Tensor*, VersionedTensor**, void*,
                    void (*)(void*, const char*, const char*));
    int (*managed_from_object)(void*, VersionedTensor**);
    int (*object_from_managed)(VersionedTensor*, void**);
    int (*tensor_from_object)(void* object, Tensor* out); ///< may be null; borrows
    int (*current_stream)(std::int32_t device_type, std::int32_t index, void** out);
};

} // namespace fastnotes::dlpack

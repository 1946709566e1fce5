// A device "second" for PyTorch whose memory is the host's and whose kernels are the CPU's.
//
// What runs on it gives the numbers of the CPU, and mixing it with CPU tensors is refused as a
// GPU refuses it. So a test on any machine sees a tensor that was left behind on the CPU.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

#include <cstring>

namespace {

constexpr auto SECOND = c10::DeviceType::PrivateUse1;

struct Memory final : c10::Allocator {
  static void release(void* data) { c10::free_cpu(data); }
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes ? c10::alloc_cpu(bytes) : nullptr;
    return {data, data, &release, c10::Device(SECOND, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
};
Memory memory;
REGISTER_ALLOCATOR(SECOND, &memory)

using Size = std::optional<c10::ScalarType>;
using Layout = std::optional<c10::Layout>;
using Device = std::optional<c10::Device>;

at::Tensor empty(c10::SymIntArrayRef size, Size dtype, Layout, Device, std::optional<bool>,
                 std::optional<c10::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &memory,
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, Size dtype, Layout,
                         Device, std::optional<bool>) {
  return at::detail::empty_strided_generic(
      C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &memory,
      c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(dtype));
}

// The same memory, seen as a CPU tensor.
at::Tensor on_cpu(const at::Tensor& tensor) {
  if (tensor.device().type() != SECOND) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       tensor.options().device(at::kCPU));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) to.resize_(from.sizes());
  return copy_from(from, to, false);
}

const at::Tensor& resize_(const at::Tensor& tensor, c10::SymIntArrayRef size,
                          std::optional<c10::MemoryFormat>) {
  auto sizes = C10_AS_INTARRAYREF_SLOW(size);
  auto* storage = tensor.storage().unsafeGetStorageImpl();
  auto* impl = tensor.unsafeGetTensorImpl();
  size_t bytes = (c10::multiply_integers(sizes) + tensor.storage_offset()) * tensor.itemsize();
  if (bytes > storage->nbytes()) {
    c10::DataPtr wider = memory.allocate(bytes);
    std::memcpy(wider.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr_noswap(std::move(wider));
    storage->set_nbytes(bytes);
  }
  impl->set_sizes_contiguous(sizes);
  return tensor;
}

at::Scalar local_scalar(const at::Tensor& tensor) { return on_cpu(tensor).item(); }

bool may_mix(const std::string& name) {
  // What a GPU takes with indices on the host; copies between devices.
  return name.rfind("aten::index", 0) == 0 || name.rfind("aten::_index_put", 0) == 0 ||
         name.find("copy") != std::string::npos;
}

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& name = op.schema().name();
  bool second = false, host = false;
  auto look = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    if (tensor.device().type() == SECOND) second = true;
    else if (tensor.dim() > 0) host = true;  // a GPU takes CPU scalars as well
  };
  for (const auto& value : torch::jit::last(stack, op.schema().arguments().size())) {
    if (value.isTensor()) look(value.toTensor());
    else if (value.isTensorList())
      for (const at::Tensor& tensor : value.toTensorVector()) look(tensor);
  }
  TORCH_CHECK(!(second && host) || may_mix(name), "Expected all tensors to be on the same device, ",
              "but ", name, " got some on the CPU and some on the second device.");
  at::native::cpu_fallback(op, stack);
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("resize_", &resize_);
  library.impl("_local_scalar_dense", &local_scalar);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("set_.source_Storage_storage_offset", [](at::Tensor& self, c10::Storage source,
      c10::SymInt offset, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) -> at::Tensor& {
        return at::native::set_storage_cpu_(self, source, offset.expect_int(),
          C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
      });
}

// Prints every initialiser of ONNX files as libonnx reads it: what the importer's own reader is compared with.
//
//   c++ -std=c++17 -DONNX_ML=1 -DONNX_NAMESPACE=onnx onnx_digests.cpp -lonnx_proto -lprotobuf -o onnx_digests
//   onnx_digests FILE...
//
// One line for each tensor: file, name, shape and the FNV-1a digest of its elements as little-endian float32 (floating
// point types) or int64 (all others), separated by tabs. Needs Debian's libonnx-dev and libprotobuf-dev.
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using onnx::TensorProto;

namespace {

// Debian's libonnx 1.12 knows types up to bfloat16.
std::size_t size_of(int type) {
  switch (type) {
    case TensorProto::FLOAT: case TensorProto::INT32: case TensorProto::UINT32: return 4;
    case TensorProto::DOUBLE: case TensorProto::INT64: case TensorProto::UINT64: return 8;
    case TensorProto::FLOAT16: case TensorProto::BFLOAT16: case TensorProto::INT16: case TensorProto::UINT16: return 2;
    case TensorProto::INT8: case TensorProto::UINT8: case TensorProto::BOOL: return 1;
    default: throw std::runtime_error("element type " + std::to_string(type));
  }
}

float half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = exponent == 0 ? fraction * 0x1p-24f
      : exponent == 31        ? (fraction ? __builtin_nanf("") : __builtin_inff())
                              : (1024 + fraction) * __builtin_ldexpf(1, exponent - 25);
  return bits >> 15 ? -value : value;
}

template <typename T>
T load(const std::string& bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::string external(const TensorProto& tensor, const std::string& folder, std::size_t length) {
  std::map<std::string, std::string> where;
  for (const auto& entry : tensor.external_data()) where[entry.key()] = entry.value();
  std::ifstream file(folder + "/" + where["location"], std::ios::binary);
  file.seekg(where.count("offset") ? std::stoll(where["offset"]) : 0);
  std::string bytes(length, '\0');
  file.read(&bytes[0], static_cast<std::streamsize>(length));
  if (!file) throw std::runtime_error("cannot read " + where["location"]);
  return bytes;
}

class Digest {
 public:
  template <typename T>
  void add(T value) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (unsigned char byte : bytes) state_ = (state_ ^ byte) * 0x100000001B3ull;
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325ull;
};

// Element `i` of bytes as the graph means it.
void add(Digest& digest, int type, const std::string& bytes, std::size_t i) {
  switch (type) {
    case TensorProto::FLOAT: digest.add(load<float>(bytes, i)); break;
    case TensorProto::DOUBLE: digest.add(static_cast<float>(load<double>(bytes, i))); break;
    case TensorProto::FLOAT16: digest.add(half(load<std::uint16_t>(bytes, i))); break;
    case TensorProto::BFLOAT16:
      digest.add(static_cast<std::uint32_t>(load<std::uint16_t>(bytes, i)) << 16);
      break;
    case TensorProto::INT8: digest.add<std::int64_t>(load<std::int8_t>(bytes, i)); break;
    case TensorProto::UINT8: digest.add<std::int64_t>(load<std::uint8_t>(bytes, i)); break;
    case TensorProto::BOOL: digest.add<std::int64_t>(load<std::uint8_t>(bytes, i) != 0); break;
    case TensorProto::INT16: digest.add<std::int64_t>(load<std::int16_t>(bytes, i)); break;
    case TensorProto::UINT16: digest.add<std::int64_t>(load<std::uint16_t>(bytes, i)); break;
    case TensorProto::INT32: digest.add<std::int64_t>(load<std::int32_t>(bytes, i)); break;
    case TensorProto::UINT32: digest.add<std::int64_t>(load<std::uint32_t>(bytes, i)); break;
    default: digest.add<std::int64_t>(load<std::int64_t>(bytes, i)); break;
  }
}

// The typed fields as the bytes that raw_data would hold.
std::string typed(const TensorProto& tensor) {
  std::string bytes;
  const auto put = [&bytes](const void* value, std::size_t size) { bytes.append(static_cast<const char*>(value), size); };
  const std::size_t size = size_of(tensor.data_type());
  for (float value : tensor.float_data()) put(&value, 4);
  for (double value : tensor.double_data()) put(&value, 8);
  for (std::int32_t value : tensor.int32_data()) put(&value, size);
  for (std::int64_t value : tensor.int64_data()) put(&value, 8);
  for (std::uint64_t value : tensor.uint64_data()) put(&value, size);
  return bytes;
}

void print(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  onnx::ModelProto model;
  if (!file || !model.ParseFromString(bytes)) throw std::runtime_error("no ONNX file");
  const std::string folder = path.find('/') == std::string::npos ? "." : path.substr(0, path.rfind('/'));
  for (const auto& tensor : model.graph().initializer()) {
    std::size_t count = 1;
    std::string shape;
    for (std::int64_t size : tensor.dims()) {
      count *= static_cast<std::size_t>(size);
      shape += (shape.empty() ? "" : ", ") + std::to_string(size);
    }
    const std::size_t length = count * size_of(tensor.data_type());
    const std::string data = tensor.data_location() == TensorProto::EXTERNAL ? external(tensor, folder, length)
        : tensor.has_raw_data()                                             ? tensor.raw_data()
                                                                            : typed(tensor);
    if (data.size() != length) throw std::runtime_error(tensor.name() + " has a wrong length");
    Digest digest;
    for (std::size_t i = 0; i < count; i++) add(digest, tensor.data_type(), data, i);
    std::printf("%s\t%s\t[%s]\t%016llx\n", path.c_str(), tensor.name().c_str(), shape.c_str(),
                static_cast<unsigned long long>(digest.value()));
  }
}

}  // namespace

int main(int count, char** paths) {
  for (int i = 1; i < count; i++) {
    try {
      print(paths[i]);
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "%s: %s\n", paths[i], problem.what());
      return 1;
    }
  }
  return 0;
}

/* A CPython extension on the header alone: a model as a Python object, bytes in, bytes out, with the
 * interpreter's lock given up while the library works. Built and used by extension.py. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <swiftclip.h>

static const char capsule_name[] = "swiftclip_model";

static PyObject *raise(swiftclip_status status) {
  PyErr_Format(PyExc_RuntimeError, "%s: %s", swiftclip_status_name(status), swiftclip_last_error());
  return NULL;
}

static void free_model(PyObject *capsule) { swiftclip_model_free(PyCapsule_GetPointer(capsule, capsule_name)); }

static PyObject *open_model(PyObject *module, PyObject *arguments) {
  (void)module;
  const char *path;
  if (!PyArg_ParseTuple(arguments, "s", &path)) return NULL;
  swiftclip_model *model = NULL;
  swiftclip_status status;
  Py_BEGIN_ALLOW_THREADS
  status = swiftclip_model_open(path, NULL, &model);
  Py_END_ALLOW_THREADS
  return status ? raise(status) : PyCapsule_New(model, capsule_name, free_model);
}

/* (model, bytes of a picture file) -> bytes of float32 */
static PyObject *encode(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *capsule;
  Py_buffer data;
  if (!PyArg_ParseTuple(arguments, "Oy*", &capsule, &data)) return NULL;
  PyObject *embedding = NULL;
  const swiftclip_model *model = PyCapsule_GetPointer(capsule, capsule_name);
  if (model != NULL) {
    size_t dim = swiftclip_model_embed_dim(model);
    embedding = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(dim * sizeof(float)));
    if (embedding != NULL) {
      swiftclip_picture picture = {.data = data.buf, .size = (size_t)data.len};
      float *numbers = (float *)(void *)PyBytes_AS_STRING(embedding);
      swiftclip_status status;
      Py_BEGIN_ALLOW_THREADS
      status = swiftclip_encode_pictures(model, &picture, 1, numbers, dim, NULL, NULL);
      Py_END_ALLOW_THREADS
      if (status) {
        Py_CLEAR(embedding);
        raise(status);
      }
    }
  }
  PyBuffer_Release(&data);
  return embedding;
}

static PyObject *version(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyLong_FromUnsignedLong(swiftclip_version());
}

static PyMethodDef functions[] = {
    {"open", open_model, METH_VARARGS, "open(path) -> model"},
    {"encode", encode, METH_VARARGS, "encode(model, data) -> float32 as bytes"},
    {"version", version, METH_NOARGS, "version() -> int"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "swiftclip_extension", "swiftclip from a compiled extension", -1, functions,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_swiftclip_extension(void) {
  PyObject *module = PyModule_Create(&definition);
  if (module != NULL && PyModule_AddIntConstant(module, "header_version", SWIFTCLIP_VERSION_NUMBER)) Py_CLEAR(module);
  return module;
}

/* A grouped convolution in C, with the standard library alone, run on triform's cases.

       cc -O2 -std=c11 -Wall -Wextra -o conv examples/check/conv.c
       triform cases --out cases --op conv --kind integers,floats,specials
       triform check cases --run ./conv

   Do not add -ffast-math. It lets the compiler assume that no value is NaN or infinite, but some cases have such
   values. The program reads files only in the exact layout that triform writes (not what numpy writes), and only on a
   little-endian machine. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { long shape[4]; float *data; } array;
typedef struct { long stride[2], pad[4], dilation[2], groups; } attributes; /* pad: left, right, top, bottom */

/* Returns the pointer. If it is null, ends the program. */
static void *must(void *pointer, const char *what) {
    if (!pointer) { fprintf(stderr, "conv: %s\n", what); exit(1); }
    return pointer;
}

static float *at(array a, long i, long j, long k, long l) {
    return a.data + ((i * a.shape[1] + j) * a.shape[2] + k) * a.shape[3] + l;
}

/* Put your own convolution here. */
static array conv(array x, array weight, array bias, attributes a) {
    long c_out = weight.shape[0], each_in = weight.shape[1], each_out = c_out / a.groups;
    long high = x.shape[2] + a.pad[2] + a.pad[3] - a.dilation[0] * (weight.shape[2] - 1);
    long wide = x.shape[3] + a.pad[0] + a.pad[1] - a.dilation[1] * (weight.shape[3] - 1);
    array y = {{x.shape[0], c_out, (high - 1) / a.stride[0] + 1, (wide - 1) / a.stride[1] + 1}, NULL};
    float *next = malloc(sizeof(float) * y.shape[0] * c_out * y.shape[2] * y.shape[3]);
    y.data = must(next, "no memory");
    for (long n = 0; n < y.shape[0]; n++)
    for (long o = 0; o < c_out; o++)
    for (long p = 0; p < y.shape[2]; p++)
    for (long q = 0; q < y.shape[3]; q++) {
        float sum = bias.data[o];
        long offset = o / each_out * each_in;
        for (long c = 0; c < each_in; c++)
        for (long i = 0; i < weight.shape[2]; i++)
        for (long j = 0; j < weight.shape[3]; j++) {
            long row = p * a.stride[0] + i * a.dilation[0] - a.pad[2];
            long column = q * a.stride[1] + j * a.dilation[1] - a.pad[0];
            if (row >= 0 && row < x.shape[2] && column >= 0 && column < x.shape[3])
                sum += *at(x, n, offset + c, row, column) * *at(weight, o, c, i, j);
        }
        *next++ = sum;
    }
    return y;
}

/* A whole file, followed by a 0. */
static char *contents(const char *path, long *size) {
    FILE *file = must(fopen(path, "rb"), path);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *bytes = must(calloc(*size + 1, 1), "no memory");
    if (fread(bytes, 1, *size, file) != (size_t)*size) must(NULL, path);
    fclose(file);
    return bytes;
}

/* The next integers in a text. */
static void integers(const char *text, int count, long *found) {
    for (char *end; count--; text = end) {
        text += strcspn(text, "0123456789");
        *found++ = strtol(text, &end, 10);
    }
}

/* The integers after a key in JSON. */
static void attribute(const char *json, const char *key, int count, long *found) {
    integers(must(strstr(json, key), key), count, found);
}

static unsigned long number(const char *bytes, int count) {
    unsigned long value = 0;
    while (count--) value = value << 8 | (unsigned char)bytes[count];
    return value;
}

/* An array of an .npz file: a zip archive without compression, with a .npy file for each array. */
static array read_array(const char *zip, long size, const char *name, int axes) {
    array a = {{1, 1, 1, 1}, NULL};
    for (const char *entry = zip; entry + 30 < zip + size && number(entry, 4) == 0x04034b50;) {
        unsigned long bytes = number(entry + 18, 4), named = number(entry + 26, 2);
        const char *npy = entry + 30 + named + number(entry + 28, 2);
        if (npy > zip + size || bytes > (unsigned long)(zip + size - npy)) must(NULL, "not triform's layout");
        if (named == strlen(name) && !memcmp(entry + 30, name, named)) {
            /* Magic, version and the header's length; then a header in Python's notation; then the numbers. */
            unsigned long header = 10 + number(npy + 8, 2);
            must(number(entry + 8, 2) ? NULL : strstr(npy + 10, "'<f4'"), name); /* neither compressed nor doubles */
            integers(must(strstr(npy + 10, "'shape': ("), name), axes, a.shape);
            a.data = must(malloc(bytes - header), "no memory");
            memcpy(a.data, npy + header, bytes - header);
            return a;
        }
        entry = npy + bytes;
    }
    must(NULL, name);
    return a;
}

static void put(FILE *file, unsigned long value, int count) {
    for (; count--; value >>= 8) fputc(value & 255, file);
}

static unsigned long crc32(unsigned long crc, const void *data, long count) {
    for (const unsigned char *byte = data; count--; byte++) {
        crc ^= *byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return crc;
}

/* The fields that both headers of a zip entry have. */
static void entry(FILE *file, unsigned long crc, long size, long named) {
    put(file, 20, 2), put(file, 0, 6), put(file, 33, 2); /* version 2.0, stored; 1 January 1980 */
    put(file, crc, 4), put(file, size, 4), put(file, size, 4), put(file, named, 2), put(file, 0, 2);
}

/* An .npz file with one array, y. */
static void write_y(const char *path, array y) {
    FILE *file = must(fopen(path, "wb"), path);
    const char *name = "y.npy";
    char header[129];
    long named = strlen(name), bytes = sizeof(float) * y.shape[0] * y.shape[1] * y.shape[2] * y.shape[3];
    long size = 128 + bytes, directory = 30 + named + size;
    memcpy(header, "\x93NUMPY\1\0\x76\0", 10); /* 0x76 bytes of header follow */
    int length = snprintf(header + 10, 118, "{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, %ld, %ld, %ld)}",
                          y.shape[0], y.shape[1], y.shape[2], y.shape[3]);
    memset(header + 10 + length, ' ', 118 - length);
    header[127] = '\n';
    unsigned long crc = ~crc32(crc32(0xffffffff, header, 128), y.data, bytes);
    put(file, 0x04034b50, 4), entry(file, crc, size, named);
    fwrite(name, 1, named, file), fwrite(header, 1, 128, file), fwrite(y.data, 1, bytes, file);
    put(file, 0x02014b50, 4), put(file, 20, 2), entry(file, crc, size, named), put(file, 0, 14);
    fwrite(name, 1, named, file);
    put(file, 0x06054b50, 4), put(file, 0, 4), put(file, 1, 2), put(file, 1, 2);
    put(file, 46 + named, 4), put(file, directory, 4), put(file, 0, 2);
    if (ferror(file) | fclose(file)) must(NULL, path);
}

int main(int count, char **arguments) {
    char path[4096];
    long size;
    if (count != 3) must(NULL, "two arguments: CASES OUTPUTS");
    snprintf(path, sizeof path, "%s/cases.json", arguments[1]);
    char *text = contents(path, &size);
    for (char *json = strstr(text, "\"name\":"), *next; json; json = next) {
        next = strstr(json + 1, "\"name\":");
        if (next) next[-1] = '\0'; /* end the text after this case */
        if (!strstr(json, "\"conv\"") || !strstr(json, "\"y\":")) continue;
        attributes a;
        attribute(json, "\"stride\":", 2, a.stride);
        attribute(json, "\"pad\":", 4, a.pad);
        attribute(json, "\"dilation\":", 2, a.dilation);
        attribute(json, "\"groups\":", 1, &a.groups);
        char name[256];
        sscanf(json, "\"name\": \"%255[^\"]", name);
        snprintf(path, sizeof path, "%s/%s.npz", arguments[1], name);
        char *zip = contents(path, &size);
        array x = read_array(zip, size, "x.npy", 4);
        array weight = read_array(zip, size, "weight.npy", 4), bias = read_array(zip, size, "bias.npy", 1);
        array y = conv(x, weight, bias, a);
        snprintf(path, sizeof path, "%s/%s.npz", arguments[2], name);
        write_y(path, y);
        free(zip), free(x.data), free(weight.data), free(bias.data), free(y.data);
    }
    free(text);
    return 0;
}

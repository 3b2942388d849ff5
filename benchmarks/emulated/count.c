/* A plugin for qemu-aarch64 that counts instructions.

   Whenever the program that is emulated calls getpriority(), which nothing
   else does, the number of instructions up to then is a line on standard
   error. The declarations are those of qemu's plugin interface, version 1,
   whose header Debian does not package. */
#include <stdint.h>
#include <stdio.h>

#define GETPRIORITY 141 /* The number of the system call on arm64. */
#define INLINE_ADD_U64 0

struct block;

size_t qemu_plugin_tb_n_insns(const struct block *);
void qemu_plugin_register_vcpu_tb_trans_cb(
    uint64_t plugin, void (*)(uint64_t, struct block *));
void qemu_plugin_register_vcpu_tb_exec_inline(
    struct block *, int operation, void *counter, uint64_t value);
void qemu_plugin_register_vcpu_syscall_cb(
    uint64_t plugin,
    void (*)(uint64_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
             uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

int qemu_plugin_version = 1;

static uint64_t executed;

static void translated(uint64_t plugin, struct block *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(
        block, INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(block));
}

static void called(uint64_t plugin, unsigned cpu, int64_t number, uint64_t a,
                   uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                   uint64_t g, uint64_t h)
{
    if (number == GETPRIORITY)
        fprintf(stderr, "executed %llu\n", (unsigned long long)executed);
}

int qemu_plugin_install(uint64_t plugin, const void *information, int count,
                        char **arguments)
{
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    qemu_plugin_register_vcpu_syscall_cb(plugin, called);
    return 0;
}

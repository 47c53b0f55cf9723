# kernels.mk -- what the tests without a server need to compile src/distance.
#
# DISTANCE names its files; $(isa_flags), in a rule, gives the flags of the one
# that is compiled.  TOP is the top folder.

DISTANCE = $(notdir $(basename $(wildcard $(TOP)/src/distance/*.c)))

ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine)),)
AVX2 = -mavx2 -mfma -mf16c
AVX512 = $(AVX2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
ISA_kernels_avx2 = $(AVX2)
ISA_kernels_avx512 = $(AVX512)
ISA_kernels_avx512vnni = $(AVX512) -mavx512vnni
endif
isa_flags = $(if $(filter kernels_%,$*),-O3) $(ISA_$*)

// The table of one instruction set and one element type. NK_ISA_ID names it.
const nk_kernels NK_CONCAT(nk_table, NK_ISA_SUFFIX, NK_TYPE_SUFFIX, ) = {
    .isa = NK_ISA_ID,
    .dtype = NK_DOUBLE ? NK_F64 : NK_F32,
    .vector_elements = NK_LANES,
    .ewise = {
#define NK_Y(name, text, arity, flops, ulp) [name] = NK_FN(ewise_##name),
        NK_EWISE_LIST(NK_Y)
#undef NK_Y
    },
    .fill = NK_FN(fill),
    .axpby = NK_FN(axpby),
    .reduce = NK_FN(reduce),
    .combine = NK_FN(combine),
    .error_norm2 = NK_FN(error_norm2),
    .scaled_norm2 = NK_FN(scaled_norm2),
    .dot = NK_FN(dot),
    .all_finite = NK_FN(all_finite),
#ifdef NK_MATMUL_MR
    .mr = NK_MATMUL_MR,
    .nr = NK_MATMUL_NR,
    .packed_bytes = NK_FN(packed_bytes),
    .pack = NK_FN(pack),
    .matmul = NK_FN(matmul),
    .matmul_outer_scratch = NK_FN(matmul_outer_scratch),
    .matmul_outer = NK_FN(matmul_outer),
    .conv_scratch = NK_FN(conv_scratch),
    .conv = NK_FN(conv),
    .conv_input_gradient = NK_FN(conv_input_gradient),
    .conv_filter_gradient = NK_FN(conv_filter_gradient),
    .pool = NK_FN(pool),
    .pool_gradient = NK_FN(pool_gradient),
    .group_norm = NK_FN(group_norm),
    .group_norm_gradient = NK_FN(group_norm_gradient),
    .softmax_cross_entropy = NK_FN(softmax_cross_entropy),
    .softmax_cross_entropy_gradient = NK_FN(softmax_cross_entropy_gradient),
#endif
};

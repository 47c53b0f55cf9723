/*
 * settings.h
 *		Settings of the extension, by the names users know.
 *
 * Ranges and defaults are pgvector's.  The setting for the instruction set is
 * module.c's, because it asks the kernels what there is.
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#define HNSW_DEFAULT_EF_SEARCH		 40
#define HNSW_MIN_EF_SEARCH			 1
#define HNSW_MAX_EF_SEARCH			 100000
#define HNSW_DEFAULT_MAX_SCAN_TUPLES 20000

typedef enum HnswIterativeScan
{
	HNSW_ITERATIVE_SCAN_OFF,
	HNSW_ITERATIVE_SCAN_RELAXED, /* rows may come out of order */
	HNSW_ITERATIVE_SCAN_STRICT	 /* rows out of order are left out */
} HnswIterativeScan;

/* hnsw.ef_search: candidates that a search keeps. */
extern int hnsw_ef_search;

/* hnsw.iterative_scan: HnswIterativeScan. */
extern int hnsw_iterative_scan;

/* hnsw.max_scan_tuples: rows that an iterative scan visits, about. */
extern int hnsw_max_scan_tuples;

/* hnsw.scan_mem_multiplier: memory of an iterative scan, in work_mem. */
extern double hnsw_scan_mem_multiplier;

/* ivfflat.probes: lists that a scan reads, at least. */
extern int ivfflat_probes;

/* ivfflat.target_recall: if above 0, it reads as many as that takes. */
extern double ivfflat_target_recall;

#define IVFFLAT_MAX_PROBES 32768

typedef enum IvfflatIterativeScan
{
	IVFFLAT_ITERATIVE_SCAN_OFF,
	IVFFLAT_ITERATIVE_SCAN_RELAXED /* rows may come out of order */
} IvfflatIterativeScan;

/* ivfflat.iterative_scan: IvfflatIterativeScan. */
extern int ivfflat_iterative_scan;

/* ivfflat.max_probes: lists that an iterative scan reads. */
extern int ivfflat_max_probes;

/* Define the settings; once, from _PG_init. */
extern void settings_init(void);

#endif /* BASE_SETTINGS_H */

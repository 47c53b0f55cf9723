/*
 * opclass_validate.c
 *		Is an operator class one that an access method of ours can use?
 *
 * Looks at catalogs only.  What is wrong is reported as INFO, everything in
 * one go; the caller decides what follows from it.
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "index/opclass.h"

#define ORDER_STRATEGY 1

typedef struct Validation
{
	const char					*method; /* name of the access method */
	const VectorSupportFunction *functions;
	int							 num_functions;
	Oid							 family;
	Oid							 type; /* of the class's values */
	char						*class_name;
	char						*family_name;
	bool						 has_operator; /* of that type */
	bool						 has_distance;
	bool						 valid;
} Validation;

static void pg_attribute_printf(2, 3)
	report_invalid(Validation *v, const char *format, ...)
{
	StringInfoData detail;

	initStringInfo(&detail);
	for (;;)
	{
		va_list args;
		int		needed;

		va_start(args, format);
		needed = appendStringInfoVA(&detail, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&detail, needed);
	}

	v->valid = false;
	ereport(
		INFO,
		(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
		 errmsg(
			 "operator class \"%s\" of family \"%s\" is not valid for access method \"%s\"",
			 v->class_name, v->family_name, v->method),
		 errdetail_internal("%s", detail.data)));
	pfree(detail.data);
}

static void
check_function(Validation *v, Form_pg_amproc entry)
{
	const char *function = format_procedure(entry->amproc);
	Oid			type = entry->amproclefttype;
	bool		fits = false;

	if (entry->amprocrighttype != type)
	{
		report_invalid(
			v, "Support function %d is for two different types, %s and %s.",
			entry->amprocnum, format_type_be(type),
			format_type_be(entry->amprocrighttype));
		return;
	}

	if (entry->amprocnum < 1 || entry->amprocnum > v->num_functions)
	{
		report_invalid(
			v, "There is no support function %d, but %s is declared as one.",
			entry->amprocnum, function);
		return;
	}
	switch (v->functions[entry->amprocnum - 1])
	{
		case SUPPORT_DISTANCE:
			fits = check_amproc_signature(entry->amproc, FLOAT8OID, true, 2, 2,
										  type, type);
			break;
		case SUPPORT_NORM:
			fits = check_amproc_signature(entry->amproc, FLOAT8OID, true, 1, 1,
										  type);
			break;
		case SUPPORT_TYPE:
			fits = check_amproc_signature(entry->amproc, INTERNALOID, true, 1,
										  1, INTERNALOID);
			break;
	}
	if (entry->amprocnum == VECTOR_DISTANCE_PROC && type == v->type)
		v->has_distance = true;

	if (!fits)
		report_invalid(
			v, "%s has the wrong arguments or result for support function %d.",
			function, entry->amprocnum);
}

static void
check_operator(Validation *v, Form_pg_amop entry)
{
	const char *operator= format_operator(entry->amopopr);

	if (entry->amopstrategy != ORDER_STRATEGY)
	{
		report_invalid(v,
					   "There is no strategy %d, but %s is declared as one.",
					   entry->amopstrategy, operator);
		return;
	}

	if (entry->amoplefttype != entry->amoprighttype)
		report_invalid(v, "%s is for two different types.", operator);
	else if (entry->amoplefttype == v->type)
		v->has_operator = true;

	if (entry->amoppurpose != AMOP_ORDER)
		report_invalid(
			v,
			"%s is declared for searching, but the index can only order by it.",
			operator);
	else if (!opfamily_can_sort_type(entry->amopsortfamily,
									 get_op_rettype(entry->amopopr)))
		report_invalid(
			v,
			"%s orders by a family that does not sort its result.", operator);

	if (!check_amop_signature(entry->amopopr, FLOAT8OID, entry->amoplefttype,
							  entry->amoprighttype))
		report_invalid(
			v,
			"%s has the wrong arguments or result for strategy %d.", operator,
			entry->amopstrategy);
}

static void
check_family_members(Validation *v)
{
	CatCList *functions = SearchSysCacheList1(AMPROCNUM,
											  ObjectIdGetDatum(v->family));
	CatCList *operators = SearchSysCacheList1(AMOPSTRATEGY,
											  ObjectIdGetDatum(v->family));

	for (int i = 0; i < functions->n_members; i++)
		check_function(v, (Form_pg_amproc) GETSTRUCT(
							  &functions->members[i]->tuple));
	for (int i = 0; i < operators->n_members; i++)
		check_operator(v, (Form_pg_amop) GETSTRUCT(
							  &operators->members[i]->tuple));

	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
}

/*
 * vector_opclass_validate -- check all entries of an operator class's family,
 * and that the class has what it needs.
 */
bool
vector_opclass_validate(Oid opclass_oid, const char *method,
						const VectorSupportFunction *functions,
						int							 num_functions)
{
	Validation		v = {.method = method,
						 .functions = functions,
						 .num_functions = num_functions,
						 .valid = true};
	HeapTuple		class_tuple;
	HeapTuple		family_tuple;
	Form_pg_opclass class_form;

	class_tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass_oid));
	if (!HeapTupleIsValid(class_tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass_oid);
	class_form = (Form_pg_opclass) GETSTRUCT(class_tuple);
	v.family = class_form->opcfamily;
	v.type = class_form->opcintype;
	v.class_name = pstrdup(NameStr(class_form->opcname));
	ReleaseSysCache(class_tuple);

	family_tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(v.family));
	if (!HeapTupleIsValid(family_tuple))
		elog(ERROR, "cache lookup failed for operator family %u", v.family);
	v.family_name = pstrdup(
		NameStr(((Form_pg_opfamily) GETSTRUCT(family_tuple))->opfname));
	ReleaseSysCache(family_tuple);

	check_family_members(&v);
	if (!v.has_operator)
		report_invalid(&v, "There is no operator of strategy %d for type %s.",
					   ORDER_STRATEGY, format_type_be(v.type));
	if (!v.has_distance)
		report_invalid(&v, "There is no support function %d for type %s.",
					   VECTOR_DISTANCE_PROC, format_type_be(v.type));
	return v.valid;
}

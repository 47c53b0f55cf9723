/*
 * number_io.c
 *		Reading and writing float4 numbers as text.
 *
 * Reading: eight characters at a time into a 64-bit significand, then one
 * multiplication by a 64-bit power of ten (after Lemire, "Number parsing at a
 * gigabyte per second", 2021).  The error of the product is known, and a
 * number so close to the middle between two floats that it matters, about one
 * in 2^37 apart from exact ties, goes to number_exact.c.
 *
 * Writing: Schubfach (Giulietti, "The Schubfach way to render doubles", 2020)
 * for floats, with 64-bit powers of ten.  Like PostgreSQL's own output it
 * never writes the exact middle between two floats, even where reading it
 * back would round to the right one.
 */
#include "c.h"

#include <math.h>

#include "distance/distance.h"
#include "types/number_exact.h"
#include "types/number_io.h"
#include "types/number_tables.h"

#define FLOAT_SIGN_BIT		((uint32) 1 << 31)
#define FLOAT_INFINITY_BITS ((uint32) 0x7f800000)
#define ONE_BITS			((uint32) 0x3f800000)
#define MILLION_BITS		((uint32) 0x49742400)
#define FLOAT_NAN_BITS		((uint32) 0x7fc00000)

/* Decimal digits that always fit 64 bits. */
#define SIGNIFICAND_DIGITS 19

/* An exponent in the text beyond this makes every number zero or infinite. */
#define EXPONENT_LIMIT INT64CONST(1000000000000)

#define EIGHT_ZERO_CHARS UINT64CONST(0x3030303030303030)

static const uint32 small_power_of_ten[] = {1,		   10,		 100,
											1000,	   10000,	 100000,
											1000000,   10000000, 100000000,
											1000000000};

static inline float
float_from_bits(uint32 bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline uint32
float_to_bits(float value)
{
	uint32 bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/* Eight characters, the first one in the least significant byte. */
static inline uint64
load_eight(const char *p)
{
	uint64 chars;

	memcpy(&chars, p, sizeof(chars));
#ifdef WORDS_BIGENDIAN
	chars = __builtin_bswap64(chars);
#endif
	return chars;
}

static inline void
store_eight(char *p, uint64 chars)
{
#ifdef WORDS_BIGENDIAN
	chars = __builtin_bswap64(chars);
#endif
	memcpy(p, &chars, sizeof(chars));
}

static inline int
leading_zeros_64(uint64 x)
{
	return __builtin_clzll(x);
}

static inline int
trailing_zeros_64(uint64 x)
{
	return __builtin_ctzll(x);
}

/* The upper 64 bits of a product. */
static inline uint64
multiply_high(uint64 a, uint64 b)
{
#ifdef HAVE_INT128
	return (uint64) (((uint128) a * b) >> 64);
#else
	uint64 a_low = (uint32) a;
	uint64 a_high = a >> 32;
	uint64 b_low = (uint32) b;
	uint64 b_high = b >> 32;
	uint64 middle = a_high * b_low + ((a_low * b_low) >> 32);
	uint64 other = a_low * b_high + (uint32) middle;

	return a_high * b_high + (middle >> 32) + (other >> 32);
#endif
}

/* The product of a 64-bit and a 32-bit number without its lower 32 bits. */
static inline uint64
multiply_middle(uint64 a, uint32 b)
{
#ifdef HAVE_INT128
	return (uint64) (((uint128) a * b) >> 32);
#else
	return (a >> 32) * b + (((a & 0xffffffff) * b) >> 32);
#endif
}

/*
 * Which of eight characters are no digits, given their differences to '0': the
 * upper bit of the first one's byte is set, and all bits below it are not.
 */
static inline uint64
other_than_digits(uint64 differences)
{
	/* the sum carries only into bytes after the first one that is no digit */
	return ((differences + UINT64CONST(0x7676767676767676)) | differences) &
		   UINT64CONST(0x8080808080808080);
}

/* The number that eight digits 0 to 9 form, the first one in the low byte. */
static inline uint32
eight_digits_value(uint64 digits)
{
	const uint64 mask = UINT64CONST(0x000000ff000000ff);

	digits = digits * 10 + (digits >> 8);
	return (uint32) (((digits & mask) * (100 + (UINT64CONST(1000000) << 32)) +
					  ((digits >> 16) & mask) *
						  (1 + (UINT64CONST(10000) << 32))) >>
					 32);
}

/*
 * scan_digits -- append the digits at p to *significand, without care for
 * overflow; return the position after them.
 */
static inline const char *
scan_digits(const char *p, const char *end, uint64 *significand)
{
	uint64 result = *significand;

	while (end - p >= 8)
	{
		uint64 digits = load_eight(p) ^ EIGHT_ZERO_CHARS;
		uint64 others = other_than_digits(digits);
		int	   count;

		if (others == 0)
		{
			result = result * 100000000 + eight_digits_value(digits);
			p += 8;
			continue;
		}

		/* move the others out, which moves zeros in before the digits */
		count = trailing_zeros_64(others) >> 3;
		if (count > 0)
			result = result * small_power_of_ten[count] +
					 eight_digits_value(digits << (64 - 8 * count));
		*significand = result;
		return p + count;
	}
	for (; is_digit(*p); p++)
		result = result * 10 + (*p - '0');
	*significand = result;
	return p;
}

/*
 * decimal_to_float -- the bits of the float nearest to significand * 10^exponent.
 *
 * truncated tells that the number may be larger, by less than one unit of the
 * significand, which then is at least 10^18.  Returns false if 64 bits do not
 * decide.
 */
static inline bool
decimal_to_float(uint64 significand, int64 exponent, bool truncated,
				 uint32 *bits)
{
	int	   zeros;
	uint64 product;
	uint64 rest;
	uint64 half;
	uint64 error;
	int	   shift;
	int	   binary_exponent;

	if (significand == 0)
	{
		*bits = 0;
		return true;
	}
	if (exponent < POWER_OF_TEN_FIRST)
	{
		*bits = 0;
		return true;
	}
	if (exponent > 38)
	{
		*bits = FLOAT_INFINITY_BITS;
		return true;
	}

	/*
	 * The product of two factors in [2^63, 2^64), without its lower 64 bits.
	 * The power of ten is too small by less than 1 and the lower bits are
	 * missing, so it is too small by less than 2; and by less than 16 more if
	 * digits are missing from the significand, as zeros <= 4 then.
	 */
	zeros = leading_zeros_64(significand);
	product = multiply_high(
		significand << zeros,
		power_of_ten_64[(int) exponent - POWER_OF_TEN_FIRST]);
	error = truncated ? 18 : 2;

	/* keep 24 bits of the 63 or 64 */
	shift = 39 + (int) (product >> 63);
	rest = product & ((UINT64CONST(1) << shift) - 1);
	half = UINT64CONST(1) << (shift - 1);
	if (rest <= half && rest + error > half)
		return false;

	/*
	 * A product that is too small next to a float makes no difference, since
	 * it rounds to that float either way.  217706 / 65536 is log2(10).
	 */
	binary_exponent = (int) ((exponent * 217706) >> 16) - zeros + shift + 1;
	if (unlikely(binary_exponent < -149))
		return false; /* subnormal, or close to it */
	product = (product >> shift) + (rest > half ? 1 : 0);
	product += (uint64) (binary_exponent + 149) << 23;
	*bits = (uint32) Min(product, (uint64) FLOAT_INFINITY_BITS);
	return true;
}

/*
 * decimal_slow -- read a decimal number with too many digits, or one that
 * needs exact arithmetic.  [p, end) are its digits and at most one point, to
 * be multiplied by 10^exponent.
 */
static pg_noinline uint32
decimal_slow(const char *p, const char *end, int64 exponent)
{
	const char *digit;
	uint64		significand = 0;
	int64		scale = exponent;
	int			digits = 0;
	bool		after_point = false;
	bool		truncated = false;
	uint32		bits;

	for (digit = p; digit < end; digit++)
	{
		if (*digit == '.')
		{
			after_point = true;
			continue;
		}
		if (digits < SIGNIFICAND_DIGITS)
		{
			significand = significand * 10 + (*digit - '0');
			if (significand != 0)
				digits++;
			if (after_point)
				scale--;
		}
		else
		{
			truncated = true;
			if (!after_point)
				scale++;
		}
	}
	if (decimal_to_float(significand, scale, truncated, &bits))
		return bits;
	return number_exact_from_decimal(p, end, exponent, ROUND_TO_NEAREST);
}

/* Does the text at p begin with the lower-case word, in any case? */
static bool
starts_with(const char *p, const char *word)
{
	for (; *word != '\0'; p++, word++)
	{
		if ((*p | 0x20) != *word)
			return false;
	}
	return true;
}

static int
hex_digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * scan_exponent -- read the digits of an exponent, and its sign.
 *
 * Returns p itself if there are none.
 */
static const char *
scan_exponent(const char *p, int64 *exponent)
{
	const char *digit = p;
	bool		negative = false;
	int64		value = 0;

	if (*digit == '+' || *digit == '-')
		negative = *digit++ == '-';
	if (!is_digit(*digit))
		return p;
	for (; is_digit(*digit); digit++)
	{
		if (value < EXPONENT_LIMIT)
			value = value * 10 + (*digit - '0');
	}
	*exponent = negative ? -value : value;
	return digit;
}

/*
 * hexadecimal -- read what follows "0x".
 *
 * Returns p itself if that is no number.
 */
static const char *
hexadecimal(const char *p, NumberRounding rounding, uint32 *bits)
{
	const char *digit;
	uint64		significand = 0;
	int64		exponent = 0;
	int64		written = 0;
	bool		after_point = false;
	bool		sticky = false;
	bool		any = false;

	for (digit = p;; digit++)
	{
		int value;

		if (*digit == '.' && !after_point)
		{
			after_point = true;
			continue;
		}
		value = hex_digit_value(*digit);
		if (value < 0)
			break;
		any = true;
		if (significand < UINT64CONST(1) << 60)
		{
			significand = significand * 16 + value;
			if (after_point)
				exponent -= 4;
		}
		else
		{
			sticky |= value != 0;
			if (!after_point)
				exponent += 4;
		}
	}
	if (!any)
		return p;
	if ((*digit | 0x20) == 'p')
	{
		const char *after = scan_exponent(digit + 1, &written);

		if (after != digit + 1)
			digit = after;
	}
	*bits = number_exact_from_binary(significand, exponent + written, sticky,
									 rounding);
	return digit;
}

/*
 * parse_special -- read a number that does not begin with a decimal digit.
 */
static pg_noinline const char *
parse_special(const char *p, uint32 *bits)
{
	if (starts_with(p, "inf"))
	{
		*bits = FLOAT_INFINITY_BITS;
		return starts_with(p + 3, "inity") ? p + 8 : p + 3;
	}
	if (starts_with(p, "nan"))
	{
		*bits = FLOAT_NAN_BITS;
		return p + 3;
	}
	return p;
}

/* Is the number zero that these characters, from a sign to an exponent, form? */
static pg_noinline bool
is_written_zero(const char *p, const char *end)
{
	bool hex = false;

	for (; p < end; p++)
	{
		char c = *p | 0x20;

		if (c == 'x')
			hex = true;
		else if (c == (hex ? 'p' : 'e'))
			break;
		else if (hex_digit_value(c) > 0)
			return false;
	}
	return true;
}

const char *
number_parse_float(const char *start, const char *end, float *value,
				   NumberStatus *status)
{
	const char *p = start;
	const char *digits;
	const char *digits_end;
	uint64		significand = 0;
	int64		digit_count;
	int64		fraction_digits = 0;
	int64		exponent = 0;
	uint32		sign;
	uint32		bits;

	/* no branch, because signs are as good as random */
	sign = (uint32) (*p == '-') << 31;
	p += (*p == '-') | (*p == '+');

	/* most numbers have one digit before the point */
	digits = p;
	if (is_digit(p[0]) && p[1] == '.')
	{
		significand = p[0] - '0';
		p++;
	}
	else
		p = scan_digits(p, end, &significand);
	digit_count = p - digits;

	if (*p == '.')
	{
		const char *fraction = p + 1;

		p = scan_digits(fraction, end, &significand);
		fraction_digits = p - fraction;
		digit_count += fraction_digits;
	}
	digits_end = p;

	if (unlikely(digit_count == 0))
	{
		p = parse_special(digits, &bits);
		*status = p == digits ? NUMBER_INVALID : NUMBER_OK;
		*value = p == digits ? 0 : float_from_bits(bits | sign);
		return p == digits ? start : p;
	}

	if (unlikely((*p | 0x20) == 'e'))
	{
		const char *after = scan_exponent(p + 1, &exponent);

		if (after != p + 1)
			p = after;
	}
	else if (unlikely((*p | 0x20) == 'x') && p == digits + 1 && *digits == '0')
	{
		const char *after = hexadecimal(p + 1, ROUND_TO_NEAREST, &bits);

		if (after != p + 1)
		{
			p = after;
			goto done;
		}
	}

	/* zeros in front do not count: they cannot overflow the significand */
	if (unlikely(digit_count > SIGNIFICAND_DIGITS))
	{
		for (const char *zero = digits; *zero == '0' || *zero == '.'; zero++)
			digit_count -= *zero == '0';
	}

	if (unlikely(digit_count > SIGNIFICAND_DIGITS) ||
		unlikely(!decimal_to_float(significand, exponent - fraction_digits,
								   false, &bits)))
		bits = decimal_slow(digits, digits_end, exponent);

done:
	*value = float_from_bits(bits | sign);
	*status = NUMBER_OK;
	if (unlikely(bits == FLOAT_INFINITY_BITS))
		*status = NUMBER_OVERFLOW;
	else if (unlikely(bits == 0) && !is_written_zero(digits, p))
		*status = NUMBER_UNDERFLOW;
	return p;
}

float
number_parse_to_odd(const char *p)
{
	uint32		sign = (uint32) (*p == '-') << 31;
	const char *digits;
	int64		exponent = 0;
	uint32		bits;

	p += (*p == '-') | (*p == '+');
	if (p[0] == '0' && (p[1] | 0x20) == 'x' &&
		hexadecimal(p + 2, ROUND_TO_ODD, &bits) != p + 2)
		return float_from_bits(bits | sign);

	digits = p;
	while (is_digit(*p))
		p++;
	if (*p == '.')
		p++;
	while (is_digit(*p))
		p++;
	if ((*p | 0x20) == 'e')
		scan_exponent(p + 1, &exponent);
	bits = number_exact_from_decimal(digits, p, exponent, ROUND_TO_ODD);
	return float_from_bits(bits | sign);
}

/*
 * shortest_decimal -- the shortest decimal strictly between the middles to the
 * two neighbours of a float, the closest one of those.
 *
 * The float is c * 2^q.  irregular tells that the neighbour below is closer
 * than the one above.  The decimal is the result times 10^*exponent; for
 * normal floats it has eight or nine digits, some of them zeros at the end.
 */
static inline uint32
shortest_decimal(uint32 c, int q, bool irregular, int *exponent)
{
	const uint64 one = UINT64CONST(1) << 32;
	int			 k;
	int			 h;
	uint64		 g;
	uint64		 value;
	uint64		 above;
	uint64		 below;
	uint64		 rest;
	uint32		 units;
	uint32		 tens;
	bool		 is_tens;
	bool		 up;
	bool		 down;
	bool		 closer;

	/*
	 * 10^k is the largest power of ten that is not above the distance of the
	 * two middles: floor(log10(2^q)), or of 3/4 * 2^q where the neighbour
	 * below is closer.
	 */
	k = (q * 1262611 - (irregular ? 524031 : 0)) >> 22;
	h = q + ((-k * 1741647) >> 19) + 1;
	g = power_of_ten_64[-k - POWER_OF_TEN_FIRST] + 1;

	/*
	 * Four times the value, and the distances of the middles from that, in
	 * units of 10^k, with 32 bits after the point.  The errors are below 2 in
	 * the last bit.  No decimal comes that close to a middle without being it:
	 * the unit test goes through all floats.
	 */
	value = multiply_middle(g, (4 * c) << h);
	above = g >> (31 - h);
	below = irregular ? above / 2 : above;

	/*
	 * At most one multiple of 10^(k+1) lies between the middles, and at least
	 * one multiple of 10^k.  Which one it is, is as good as random, so no
	 * branches here.
	 */
	units = (uint32) (value >> 34);
	tens = units / 10 * 10;
	rest = value - 4 * tens * one;
	up = 40 * one - rest + 2 < above;
	is_tens = (rest + 2 < below) != up;
	tens += up ? 10 : 0;

	rest = value & (4 * one - 1);
	up = 4 * one - rest + 2 < above;
	down = rest + 2 < below;
	closer = rest + 2 * (units & 1) > 2 * one + 1;
	units += up & (closer | !down);

	*exponent = k;
	return units ^ ((units ^ tens) & -(uint32) is_tens);
}

/*
 * shortest_decimal_rare -- the same for subnormal floats and powers of two,
 * with nine digits.
 */
static pg_noinline uint32
shortest_decimal_rare(uint32 bits, int *exponent)
{
	uint32 number;

	if (bits >> 23 == 0)
		number = shortest_decimal(bits, -149, false, exponent);
	else
		number = shortest_decimal(0x800000, (int) (bits >> 23) - 150,
								  bits >> 23 > 1, exponent);
	for (; number < 100000000; number *= 10)
		(*exponent)--;
	return number;
}

/* Eight digits of a number below 10^8, the first one in the low byte. */
static inline uint64
eight_digits(uint32 number)
{
	uint64 digits;
	uint64 quotients;

	/* two numbers of four digits, then four of two, then eight of one */
	digits = number / 10000 | (uint64) (number % 10000) << 32;
	quotients = ((digits * 10486) >> 20) & UINT64CONST(0x0000007f0000007f);
	digits = quotients | (digits - 100 * quotients) << 16;
	quotients = ((digits * 103) >> 10) & UINT64CONST(0x000f000f000f000f);
	return quotients | (digits - 10 * quotients) << 8;
}

/*
 * print_decimal -- write a decimal of nine digits, without the zeros at its end,
 * at p; return the position after it.
 *
 * The point is after the first digit; `digits` are the others, as eight_digits
 * gives them.
 */
static inline char *
print_decimal(char *p, uint32 first, uint64 digits, int exponent)
{
	/* the first one, and of the eight others count - 1 */
	int count = digits == 0 ? 1 : 9 - (leading_zeros_64(digits) >> 3);

	first |= '0';
	digits |= EIGHT_ZERO_CHARS;

	if (exponent < 0 && exponent >= -4)
	{
		memcpy(p, "0.00000", 8);
		p += 1 - exponent;
		*p = (char) first;
		store_eight(p + 1, digits);
		p += count;
	}
	else if (exponent >= 0 && exponent < 6)
	{
		*p = (char) first;
		store_eight(p + 1, digits);
		if (count > exponent + 1)
		{
			/* the rest once more, after the point */
			store_eight(p + exponent + 2, digits >> (8 * exponent));
			p[exponent + 1] = '.';
			p += count + 1;
		}
		else
			p += exponent + 1;
	}
	else
	{
		uint32 size = exponent < 0 ? -exponent : exponent;

		p[0] = (char) first;
		p[1] = '.';
		store_eight(p + 2, digits);
		p += count > 1 ? count + 1 : 1;
		p[0] = 'e';
		p[1] = exponent < 0 ? '-' : '+';
		p[2] = '0' + size / 10;
		p[3] = '0' + size % 10;
		p += 4;
	}
	return p;
}

int
number_print_float(float value, char *out)
{
	uint32 bits = float_to_bits(value);
	char  *p = out;
	uint32 number;
	uint64 digits;
	uint32 first;
	bool   is_short;
	int	   zeros;
	int	   exponent;

	*p = '-';
	p += bits >> 31;
	bits &= ~FLOAT_SIGN_BIT;

	if (unlikely(bits >= FLOAT_INFINITY_BITS))
	{
		if (bits > FLOAT_INFINITY_BITS)
		{
			memcpy(out, "NaN", 3);
			return 3;
		}
		memcpy(p, "Infinity", 8);
		return (int) (p + 8 - out);
	}

	/* integers, which are all of the data of many tables */
	if (bits - 1 >= ONE_BITS - 1 && bits < MILLION_BITS)
	{
		number = (uint32) float_from_bits(bits);
		if (float_to_bits((float) number) == bits)
		{
			digits = eight_digits(number);
			/* do not count the last digit, so that zero has one */
			zeros = trailing_zeros_64(digits | UINT64CONST(1) << 56) >> 3;
			store_eight(p, (digits | EIGHT_ZERO_CHARS) >> (8 * zeros));
			return (int) (p + 8 - zeros - out);
		}
	}

	if (likely((bits & 0x7fffff) != 0 && bits > 0x800000))
	{
		number = shortest_decimal((bits & 0x7fffff) | 0x800000,
								  (int) (bits >> 23) - 150, false, &exponent);
		/* seven, eight or nine digits */
		is_short = number < 100000000;
		exponent -= is_short;
		number += 9 * number & -(uint32) is_short;
		is_short = number < 100000000;
		exponent -= is_short;
		number += 9 * number & -(uint32) is_short;
	}
	else
		number = shortest_decimal_rare(bits, &exponent);

	first = number / 100000000;
	digits = eight_digits(number - first * 100000000);
	return (int) (print_decimal(p, first, digits, exponent + 8) - out);
}

/*
 * is_common -- is value, given as its bits, one that decimals_f32 is right for:
 * a normal number, and no power of two?
 */
static inline bool
is_common(uint32 bits)
{
	bits &= ~FLOAT_SIGN_BIT;
	return likely((bits & 0x7fffff) != 0 &&
				  bits - 0x800000 < FLOAT_INFINITY_BITS - 0x800000);
}

/* Is value an integer that number_print_float writes in a shorter way? */
static inline bool
is_small_integer(float value)
{
	return fabsf(value) < 1000000 && value == (float) (int) value;
}

char *
number_print_list(char *p, const float *x, int n)
{
	const uint64 *powers = power_of_ten_64 - POWER_OF_TEN_FIRST;

	for (; n >= DECIMAL_BLOCK; n -= DECIMAL_BLOCK, x += DECIMAL_BLOCK)
	{
		DecimalBlock block;
		bool		 integers = is_small_integer(x[0]) &&
						is_small_integer(x[DECIMAL_BLOCK - 1]);

		/* most likely, and then faster one by one */
		if (!integers)
			distance_kernels->decimals_f32(x, powers, &block);
		for (int i = 0; i < DECIMAL_BLOCK; i++)
		{
			uint32 bits = float_to_bits(x[i]);

			if (!integers && is_common(bits))
			{
				*p = '-';
				p = print_decimal(p + (bits >> 31), block.first[i],
								  block.digits[i], block.exponent[i]);
			}
			else
				p += number_print_float(x[i], p);
			*p++ = ',';
		}
	}
	for (int i = 0; i < n; i++)
	{
		p += number_print_float(x[i], p);
		*p++ = ',';
	}
	return p;
}

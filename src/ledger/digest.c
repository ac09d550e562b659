/* Digests of messages' bytes.  A Windows client's are UTF-16 whose every second byte
 * is NUL; without those there is half as much to do. */
#include "ledger_private.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

#define MARK "\xFF\xFE"
#define MARK_SIZE 2
#define CHUNK 4096U

#define BLOCK 32U

/* Compilers take all of the block at once. */
static inline bool leave_out_of_block(const unsigned char *bytes, unsigned char *ret_half)
{
        uint16_t units[BLOCK / 2], left_out = 0;
        memcpy(units, bytes, BLOCK);
        for (size_t i = 0; i < BLOCK / 2; i++)
                left_out |= units[i];
        for (size_t i = 0; i < BLOCK / 2; i++)
                ret_half[i] = (unsigned char)le16toh(units[i]);
        return (le16toh(left_out) & 0xFF00) == 0;
}

/* size is even.  False when a second byte is none. */
static bool leave_out(const unsigned char *bytes, size_t size, unsigned char *ret_half)
{
        size_t at = 0;
        for (; size - at >= BLOCK; at += BLOCK)
                if (!leave_out_of_block(bytes + at, ret_half + at / 2))
                        return false;
        for (; at < size && bytes[at + 1] == 0; at += 2)
                ret_half[at / 2] = bytes[at];
        return at == size;
}

static bool digest_half(const unsigned char *bytes, size_t size, unsigned char *ret_digest)
{
        static const unsigned char salt[crypto_generichash_blake2b_SALTBYTES];
        static const unsigned char plain[crypto_generichash_blake2b_PERSONALBYTES] = "UTF-16";
        static const unsigned char marked[crypto_generichash_blake2b_PERSONALBYTES] = "UTF-16 BOM";
        unsigned char half[CHUNK / 2];
        crypto_generichash_blake2b_state state;
        size_t at = size >= MARK_SIZE && memcmp(bytes, MARK, MARK_SIZE) == 0 ? MARK_SIZE : 0;
        if (size % 2 != 0 || size - at < 2 || bytes[at + 1] != 0)
                return false;
        int r = crypto_generichash_blake2b_init_salt_personal(&state, NULL, 0, LEDGER_DIGEST_SIZE, salt,
                                                              at > 0 ? marked : plain);
        for (size_t chunk; at < size; at += chunk) {
                chunk = size - at < CHUNK ? size - at : CHUNK;
                if (!leave_out(bytes + at, chunk, half))
                        return false;
                r |= crypto_generichash_blake2b_update(&state, half, chunk / 2);
        }
        r |= crypto_generichash_blake2b_final(&state, ret_digest, LEDGER_DIGEST_SIZE);
        assert(r == 0);
        (void)r;
        return true;
}

void ledger_former_digest(const void *bytes, size_t size, unsigned char ret_digest[LEDGER_DIGEST_SIZE])
{
        int r = crypto_generichash(ret_digest, LEDGER_DIGEST_SIZE, bytes, size, NULL, 0);
        assert(r == 0);
        (void)r;
}

void ledger_digest(const void *bytes, size_t size, unsigned char ret_digest[LEDGER_DIGEST_SIZE])
{
        if (!digest_half(bytes, size, ret_digest))
                ledger_former_digest(bytes, size, ret_digest);
}

bool ledger_digest_fits(const void *bytes, size_t size, const unsigned char digest[LEDGER_DIGEST_SIZE])
{
        unsigned char made[LEDGER_DIGEST_SIZE];
        ledger_digest(bytes, size, made);
        if (memcmp(made, digest, sizeof(made)) == 0)
                return true;
        ledger_former_digest(bytes, size, made);
        return memcmp(made, digest, sizeof(made)) == 0;
}

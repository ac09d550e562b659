/* fspd: a message's way from a client to the site server, with everything that
 * a kill or a power cut may do to it.  Checked exhaustively by check.sh.
 *
 * The steps are named as in the code: ledger_submit, the writer's commit,
 * stage_batch (src/staging/stager.c), settle (settler.c), forward_staged (src/forward/forward.c),
 * forward_recover (src/forward/recover.c), settle_folder (src/staging/rebuild.c).
 *
 * What is taken as given: a COMMIT is all or nothing and durable when it has
 * returned; a rename is all or nothing; what was synced stays; what was not
 * may be there after a cut, or not, each by itself, and unsynced bytes may be
 * torn; what the site server has taken stays taken.
 *
 * What is shown: no message is taken twice or torn, none is lost that was
 * answered 200, none is quarantined without somebody having meddled with its
 * file; and when kills and cuts end, every message ends, too: there is no
 * cycle, and where nothing moves any more, all is forwarded or quarantined, or
 * waits for the very folder that it was copied to.
 *
 * RENAMED: the staged file itself is renamed into the inbox (inbox_rename.c),
 * and stands for N.tmp: one transaction of the file system takes it from here
 * and puts it there.  What nobody may do then, as with N.tmp, is to remove a
 * staged file that has been checked and is on its way.
 *
 * MUTANT_...: an error of fspd that the check must find. */
#ifndef M
#define M 2 /* messages: 2 or 3 */
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef MOVES
#define MOVES 2 /* the inbox's path leads to another folder, and back */
#endif
#ifndef MEDDLINGS
#define MEDDLINGS 1 /* somebody removes a staged file */
#endif

mtype = { none, received, staged, copied, forwarded, quarantined };
mtype = { absent, torn, whole };
mtype = { nothing, tmp, smx };

/* The ledger: each change is one COMMIT. */
mtype row[M] = none;
byte into[M]; /* column "inbox" */

/* Staging: what is seen now; what is there for certain; do they differ? */
mtype file[M] = absent;
mtype file_synced[M] = absent;
bool file_dirty[M];

/* Two folders, of which the inbox's path names one: N.tmp or N.SMX as it is
 * seen now and as it is for certain; are the bytes flushed, are they whole? */
#define at(p, m) ((p) * M + (m))
mtype name[2 * M] = nothing;
mtype name_synced[2 * M] = nothing;
bool unflushed[2 * M];
bool broken[2 * M];
byte place = 0;

/* In memory. */
bool up = true;
bool queued[M];
bool settling[M]; /* in the settler's hands */
bool busy[4];
#define WRITER 0
#define STAGER 1
#define SETTLER 2
#define FORWARDER 3

/* What the world has seen. */
bool answered[M];
byte taken[M];
bool meddled[M];

#ifdef RENAMED
bool held[M]; /* checked, and about to be renamed */
#define is_moving(i, m) (name[i] == smx && name_synced[i] == nothing && file[m] == absent)
#endif

/* A step for each message; between two steps anything may happen. */
#define STEPS do :: atomic { m < M ->
#define END_STEPS m++ } :: atomic { m == M -> m = 0; break } od

#if M == 2
#define any(is) (is(0) || is(1))
#else
#define any(is) (is(0) || is(1) || is(2))
#endif
#define is_queued(m) queued[m]
#define is_unwritten(m) (row[m] == received && !settling[m])
#define is_settling(m) settling[m]
#ifdef MUTANT_IDENTITY_IGNORED
#define is_here(m) true
#else
#define is_here(m) (into[m] == place)
#endif
#define is_waiting(m) (row[m] == copied && into[m] != place && name[at(into[m], m)] != smx)
#define is_open(m) (row[m] == staged || (row[m] == copied && is_here(m)))

inline unlink_staged(m)
{
        if
        :: file[m] != absent -> file[m] = absent; file_dirty[m] = true
        :: else
        fi
}

/* Of all that was not synced, any part may be gone. */
inline cut()
{
#ifdef RENAMED
        for (i : 0 .. 2 * M - 1) { /* both ends of a rename, or none */
                if
                :: is_moving(i, i % M) ->
                        name[i] = nothing; file[i % M] = file_synced[i % M]; file_dirty[i % M] = false
                :: is_moving(i, i % M) ->
                        name_synced[i] = smx; file_synced[i % M] = absent; file_dirty[i % M] = false
                :: else
                fi
        }
#endif
        for (i : 0 .. M - 1) {
                if
                :: file_dirty[i] -> file[i] = file_synced[i]
                :: file_dirty[i] && file[i] == whole -> file[i] = torn
                :: true
                fi;
                file_synced[i] = file[i];
                file_dirty[i] = false
        }
        for (i : 0 .. 2 * M - 1) {
                if
                :: name[i] != name_synced[i] -> name[i] = name_synced[i]
                :: name[i] == smx && name_synced[i] == nothing -> name[i] = tmp
                :: true
                fi;
                name_synced[i] = name[i];
                if
                :: unflushed[i] && name[i] != nothing -> broken[i] = true
                :: true
                fi;
                unflushed[i] = false
        }
}

/* Sends until it has its 200; the same bytes again are not a second row. */
proctype client(byte m)
{
        do
        :: atomic { up && !answered[m] && !queued[m] -> queued[m] = true } /* ledger_submit */
        od
}

/* Each thread works until the daemon dies; then its place in the code and its
 * variables are gone. */
proctype writer()
{
        byte m;
        do
        :: atomic { up && any(is_queued) -> busy[WRITER] = true };
           {
#ifdef MUTANT_ACK_BEFORE_COMMIT
                atomic { for (m : 0 .. M - 1) { answered[m] = answered[m] || queued[m] }; m = 0 };
#endif
                atomic { /* run_intake for all that wait, COMMIT */
                        for (m : 0 .. M - 1) {
                                if
                                :: queued[m] && row[m] == none -> row[m] = received
                                :: else
                                fi
                        };
                        m = 0
                };
                STEPS
                        if
                        :: queued[m] && row[m] != none -> answered[m] = true; queued[m] = false
                        :: else
                        fi;
                END_STEPS
           } unless { !up };
           atomic { m = 0; busy[WRITER] = false }
        od
}

/* It writes a batch while the one before is settled. */
proctype stager()
{
        byte m;
        bool mine[M];
        do
        :: atomic { up && any(is_unwritten) -> busy[STAGER] = true };
           {
                STEPS /* stage_one: the file gets its name before its bytes */
                        if
                        :: is_unwritten(m) && file[m] == absent -> file[m] = torn; file_dirty[m] = true
                        :: else
                        fi;
                END_STEPS;
                STEPS
                        if
                        :: is_unwritten(m) -> mine[m] = true; file_dirty[m] = true; file[m] = whole
                        :: else
                        fi;
                END_STEPS;
                atomic { /* settler_take */
#ifndef MUTANT_TWO_BATCHES_IN_HAND
                        !any(is_settling);
#endif
                        for (m : 0 .. M - 1) { settling[m] = settling[m] || mine[m] };
                        m = 0
                }
           } unless { !up };
           atomic {
                for (m : 0 .. M - 1) { mine[m] = false };
                m = 0;
                busy[STAGER] = false
           }
        od
}

proctype settler()
{
        byte m;
        do
        :: atomic { up && any(is_settling) -> busy[SETTLER] = true };
           {
#ifndef MUTANT_STAGED_BEFORE_SYNC
                atomic { /* syncfs */
                        for (m : 0 .. M - 1) { file_synced[m] = file[m]; file_dirty[m] = false };
#ifdef RENAMED
                        /* The inbox is on the same file system. */
                        for (m : 0 .. 2 * M - 1) { name_synced[m] = name[m] };
#endif
                        m = 0
                };
#endif
                atomic { /* delivery_mark_staged */
                        for (m : 0 .. M - 1) {
                                if
                                :: settling[m] && row[m] == received -> row[m] = staged
                                :: else
                                fi;
                                settling[m] = false
                        };
                        m = 0
                }
           } unless { !up };
           atomic { m = 0; busy[SETTLER] = false }
        od
}

inline settle(p) /* the folder's own fsync */
{
        atomic {
                for (m : 0 .. M - 1) {
#ifdef RENAMED
                        if
                        :: is_moving(at(p, m), m) -> file_synced[m] = absent; file_dirty[m] = false
                        :: else
                        fi;
#endif
                        name_synced[at(p, m)] = name[at(p, m)]
                };
                m = 0
        }
}

inline flush(p) /* syncfs */
{
        atomic {
                for (m : 0 .. M - 1) {
                        name_synced[at(p, m)] = name[at(p, m)];
                        unflushed[at(p, m)] = false
                };
                m = 0
        }
}

inline mark_copied(p)
{
        atomic { /* delivery_mark_copied */
                for (m : 0 .. M - 1) {
                        if
                        :: batch[m] -> row[m] = copied; into[m] = p
                        :: else
                        fi
                };
                m = 0
        }
}

inline rename_staged(p, m)
{
        assert(file[m] == whole && name[at(p, m)] == nothing);
        file[m] = absent;
        file_dirty[m] = true;
        name[at(p, m)] = smx
}

inline publish(p)
{
        STEPS /* forward_publish */
                if
#ifdef RENAMED
                :: batch[m] && file[m] != absent -> rename_staged(p, m)
#else
                :: batch[m] -> assert(name[at(p, m)] == tmp); name[at(p, m)] = smx
#endif
                :: else
                fi;
        END_STEPS
}

inline mark_forwarded()
{
        atomic { /* delivery_mark_forwarded */
                for (m : 0 .. M - 1) {
                        if
                        :: batch[m] -> row[m] = forwarded
                        :: else
                        fi
                };
                m = 0
        }
}

inline remove_staged()
{
        STEPS
                if
#ifdef RENAMED
                :: batch[m] -> held[m] = false; batch[m] = false
#else
                :: batch[m] -> unlink_staged(m); batch[m] = false
#endif
                :: else
                fi;
        END_STEPS
}

#if defined(RENAMED) && defined(MUTANT_TMP_RULE_INVERTED)
#define needs_rename(p, m) (file[m] == absent)
#elif defined(RENAMED)
#define needs_rename(p, m) (file[m] != absent)
#elif defined(MUTANT_TMP_RULE_INVERTED)
#define needs_rename(p, m) (name[at(p, m)] != tmp)
#else
#define needs_rename(p, m) (name[at(p, m)] == tmp)
#endif

/* check: the open folder is no longer what the path names. */
#ifdef MUTANT_IDENTITY_IGNORED
#define moved_away(p) false
#else
#define moved_away(p) (place != p)
#endif

inline forward_recover(p)
{
        STEPS /* decide */
                if
                :: row[m] == copied && is_here(m) && !moved_away(p) ->
                        batch[m] = true;
                        if
#if defined(RENAMED) && !defined(MUTANT_TMP_RULE_INVERTED)
                        :: needs_rename(p, m) -> rename_staged(p, m); renamed = true
#else
                        :: needs_rename(p, m) -> name[at(p, m)] = smx; renamed = true
#endif
                        :: else
                        fi
                :: else
                fi;
        END_STEPS;
#ifdef MUTANT_ARRIVED_UNSETTLED
        atomic {
                if
                :: renamed -> settle(p)
                :: else
                fi
        };
#else
        settle(p);
#endif
        mark_forwarded();
        remove_staged()
}

inline copy_batch(p)
{
        STEPS /* copy_one */
                if
                :: row[m] == staged && file[m] == whole -> /* put */
                        assert(name[at(p, m)] != smx);
#ifndef RENAMED
                        name[at(p, m)] = tmp;
                        unflushed[at(p, m)] = true;
                        broken[at(p, m)] = false;
#else
                        held[m] = true;
#endif
                        batch[m] = true
                :: row[m] == staged && file[m] != whole ->
                        row[m] = quarantined; /* delivery_mark_quarantined */
                        unlink_staged(m)      /* or moved to corrupt/ */
                :: else
                fi;
        END_STEPS
}

proctype forwarder()
{
        byte m, p;
        bool batch[M], renamed;
        do
        :: atomic { up && any(is_open) -> busy[FORWARDER] = true; p = place }; /* open_inbox */
           {
                forward_recover(p);
                copy_batch(p);
#ifdef MUTANT_COPIED_BEFORE_FLUSH
                mark_copied(p);
                publish(p);
                settle(p);
#elif defined(MUTANT_PUBLISHED_BEFORE_COPIED)
                flush(p);
                publish(p);
                settle(p);
                mark_copied(p);
#elif defined(MUTANT_FORWARDED_BEFORE_SETTLE)
                flush(p);
                mark_copied(p);
                publish(p);
                mark_forwarded();
                settle(p);
#else
                flush(p);
                mark_copied(p);
                publish(p);
                settle(p);
#endif
                mark_forwarded();
                remove_staged()
           } unless { !up };
           atomic {
                for (m : 0 .. M - 1) {
                        batch[m] = false;
#ifdef RENAMED
                        held[m] = false
#endif
                };
                m = 0;
                p = 0;
                renamed = false;
                busy[FORWARDER] = false
           }
        od
}

/* The site server: takes each .SMX of either folder, at any moment. */
proctype consumer(byte k)
{
        do
        :: atomic {
                name[k] == smx ->
                        assert(!broken[k]);
                        taken[k % M]++;
                        assert(taken[k % M] == 1);
#ifdef RENAMED
                        if
                        :: is_moving(k, k % M) -> file_synced[k % M] = absent; file_dirty[k % M] = false
                        :: else
                        fi;
#endif
                        name[k] = nothing;
                        name_synced[k] = nothing;
                        unflushed[k] = false
           }
        od
}

/* A kill takes the memory; a cut takes also what was not synced. */
proctype crash()
{
        byte n, i;
        do
        :: n < CRASHES ->
                atomic {
                        up = false;
                        n++;
                        for (i : 0 .. M - 1) { queued[i] = false; settling[i] = false };
                        if
                        :: true
                        :: cut()
                        fi;
                        i = 0
                };
                atomic { /* settle_folder, then the threads start */
                        !busy[WRITER] && !busy[STAGER] && !busy[SETTLER] && !busy[FORWARDER];
                        for (i : 0 .. M - 1) {
                                if
                                :: row[i] == forwarded -> unlink_staged(i)
                                :: else
                                fi
                        };
                        i = 0;
                        up = true
                }
        :: break
        od
}

proctype mover()
{
        byte n;
        do
        :: n < MOVES -> atomic { place = 1 - place; n++ }
        :: break
        od
}

proctype meddler()
{
        byte n, m;
        do
        :: n < MEDDLINGS ->
                atomic {
                        select (m : 0 .. M - 1);
                        if
#ifdef RENAMED
                        :: file[m] != absent && row[m] != copied && !held[m] -> unlink_staged(m); meddled[m] = true
#else
                        :: file[m] != absent -> unlink_staged(m); meddled[m] = true
#endif
                        :: else
                        fi;
                        n++
                }
        :: break
        od
}

/* Nothing moves any more. */
proctype judge()
{
        byte m;
        atomic {
                timeout;
                assert(up);
                for (m : 0 .. M - 1) {
                        assert(answered[m]);
                        assert(row[m] == forwarded || row[m] == quarantined || is_waiting(m));
                        assert(row[m] != forwarded || taken[m] == 1);
                        assert(row[m] != quarantined || (taken[m] == 0 && meddled[m]))
                }
        }
}

init
{
        byte i;
        atomic {
                for (i : 0 .. M - 1) { run client(i) };
                for (i : 0 .. 2 * M - 1) { run consumer(i) };
                run writer();
                run stager();
                run settler();
                run forwarder();
                run crash();
                run mover();
                run meddler();
                run judge()
        }
}

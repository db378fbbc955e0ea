//! Logging in and out, and who one is.

#![expect(clippy::unnecessary_wraps, reason = "methods that cannot fail have the shape of those that can")]

use super::super::arguments::Arguments;
use super::super::call::Turn;
use super::super::faults::{AUTH, generic};
use super::super::users;
use super::super::world::World;
use crate::koji::xmlrpc::{Fault, Struct, Value};

/// How a user has shown who they are.
const BY_PASSWORD: i64 = 0;
const BY_CERTIFICATE: i64 = 2;

pub(super) fn multi_call(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    turn.multi_call(arguments.get("calls"))
}

pub(super) fn login(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (name, password) = (arguments.get("user").as_str(), arguments.get("password").as_str());
    let (Some(name), Some(password)) = (name, password) else {
        return Err(Fault::new(AUTH, "invalid type for username or password"));
    };
    let renew = arguments.flag("renew");
    if turn.caller.session.is_some() && !renew {
        return Err(Fault::new(AUTH, "Already logged in"));
    }
    let user = turn.world.user_named(name).filter(|user| user.password.as_deref() == Some(password));
    let Some(user) = user else { return Err(Fault::new(AUTH, "invalid username or password")) };
    if user.blocked {
        return Err(Fault::new(AUTH, format!("logins by {name} are not allowed")));
    }
    let user = user.id;
    begin(turn, user, BY_PASSWORD, renew)
}

pub(super) fn ssl_login(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let renew = arguments.flag("renew");
    if turn.caller.session.is_some() && !renew {
        return Err(Fault::new(AUTH, "Already logged in"));
    }
    let subject = turn.client.subject.as_deref().filter(|_| turn.client.at_login);
    let Some(subject) = subject else {
        let verified = if turn.client.at_login { "NONE" } else { "None" };
        return Err(Fault::new(AUTH, format!("could not verify client: {verified}")));
    };
    if !arguments.get("proxyuser").is_nil() {
        return Err(Fault::new(AUTH, format!("{subject} is not authorized to login other users")));
    }
    let name = subject.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    let name = name.ok_or_else(|| Fault::new(AUTH, format!("no CN in {subject}")))?.to_owned();
    if turn.world.user_named(&name).is_some_and(|user| user.blocked) {
        return Err(Fault::new(AUTH, format!("logins by {name} are not allowed")));
    }
    let user = turn.world.ensure_user(&name);
    begin(turn, user, BY_CERTIFICATE, renew)
}

fn begin(turn: &mut Turn<'_>, user: i64, authtype: i64, renew: bool) -> Result<Value, Fault> {
    turn.wrote = true;
    match turn.caller.session {
        Some(session) if renew => turn.world.renew_session(session),
        Some(_) | None => Ok(turn.world.open_session(user, authtype, None)),
    }
}

pub(super) fn logout(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let own = World::need_session(&turn.caller)?;
    let session = arguments.int("session_id")?.unwrap_or(own);
    let owner = turn.world.sessions.get(session).map(|session| session.user);
    let owner = owner.ok_or_else(|| generic(format!("No such session: {session}")))?;
    if turn.caller.user != Some(owner) && !turn.world.may(&turn.caller, "admin") {
        return Err(Turn::refuse("only admins or owner may logout other session"));
    }
    turn.wrote = true;
    turn.world.close_session(session);
    Ok(Value::Nil)
}

pub(super) fn subsession(turn: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    let own = World::need_session(&turn.caller)?;
    let session = turn.world.sessions.get(own).ok_or_else(|| Fault::new(AUTH, "Not logged in"))?;
    let (user, authtype, master) = (session.user, session.authtype, session.master.unwrap_or(own));
    turn.wrote = true;
    Ok(turn.world.open_session(user, authtype, Some(master)))
}

pub(super) fn exclusive(turn: &mut Turn<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let own = World::need_session(&turn.caller)?;
    turn.world.make_exclusive(own, arguments.flag("force"))?;
    turn.wrote = true;
    Ok(Value::Nil)
}

pub(super) fn shared(turn: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    let own = World::need_session(&turn.caller)?;
    if let Some(session) = turn.world.sessions.get_mut(own) {
        session.exclusive = false;
    }
    turn.wrote = true;
    Ok(Value::Nil)
}

pub(super) fn logged_in_user(turn: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    let session = turn.caller.session.and_then(|id| turn.world.sessions.get(id));
    let Some((session, user)) =
        session.and_then(|session| Some((session, turn.world.users.get(session.user)?)))
    else {
        return Ok(Value::Nil);
    };
    Ok(Value::from(
        Struct::new()
            .with("id", user.id)
            .with("name", user.name.as_str())
            .with("status", i64::from(user.blocked))
            .with("usertype", user.kind)
            .with("krb_principals", Vec::<Value>::new())
            .with("authtype", session.authtype)
            .with("krb_principal", Value::Nil),
    ))
}

pub(super) fn permissions(turn: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    let user = World::assert_login(&turn.caller)?;
    let names = turn.world.users.get(user).into_iter().flat_map(|user| &user.permissions);
    Ok(Value::from(names.map(String::as_str).collect::<Vec<_>>()))
}

pub(super) fn all_permissions(_: &mut Turn<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Array(users::all_permissions()))
}
